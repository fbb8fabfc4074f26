// What a step of several processes sends, beside the formula of src/dist/README.md, and what it
// takes of memory.
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <limits>

#include "support/ranks.h"
#include "train/rank_steps.h"

namespace ipirm::train {
namespace {

// As loaders give images that are to be sent: 8 bits.
StepInput in_bytes(StepInput input) {
  for (auto* view : {&input.view1, &input.view2})
    *view = ((*view + 1) * 127.5).to(torch::kUInt8).contiguous(torch::MemoryFormat::ChannelsLast);
  return input;
}

// How many rows each forward pass of a step embeds, of all ranks together.
struct Passes {
  std::vector<int64_t> of_batch, of_environments;
};

Passes passes_of(const Kind& kind, const Tensor& environment) {
  Passes passes{{kBatch, kBatch}, {}};
  if (!kind.loss.mixup.on || kind.loss.baseline) return passes;
  for (int64_t p = 0; p < environment.size(0); ++p) {
    if (kind.retain) passes.of_batch.push_back(kBatch);
    for (int64_t e = 0; e < kind.loss.num_env; ++e) {
      const auto samples = (environment[p] == e).sum().item<int64_t>();
      if (samples >= 2) passes.of_environments.push_back(samples);
    }
  }
  return passes;
}

// The page's formula, in bytes.
dist::Traffic expected_traffic(const Kind& kind, const StepInput& own, bool is_synced,
                               const model::Model& model, const dist::Group& group) {
  constexpr int64_t kFloat = 4, kDouble = 8, kLeastShare = 2;
  int64_t weights = 0, channels = 0, norms = 0;
  for (const auto& parameter : model->parameters()) weights += parameter.numel();
  for (const auto& buffer : model->named_buffers()) {
    if (buffer.key().find("running_mean") == std::string::npos) continue;
    channels += buffer.value().numel();
    ++norms;
  }
  const auto passes = passes_of(kind, own.environment);
  int64_t rows = 0;
  for (const int64_t n : passes.of_batch) rows += dist::Shares(n, group).largest();
  for (const int64_t n : passes.of_environments)
    rows += dist::Shares(n, group, kLeastShare).largest();
  const auto count = static_cast<int64_t>(passes.of_batch.size() + passes.of_environments.size());
  const int64_t images = kind.loss.mixup.on ? own.view1.numel() : 0;
  const int64_t statistics = is_synced ? count * kDouble * (2 * channels + norms) : 0;
  const int64_t backward = is_synced ? count * kFloat * 2 * channels : 0;
  return {.summed = kFloat * weights + backward,
          .gathered = kFloat * kFeatureDim * rows + statistics + images};
}

TEST(StepCost, AStepSendsWhatThePageSaysAndNothingElse) {
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      for (const auto& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        for (const bool is_synced : {false, true}) {
          auto model = small_model(torch::kFloat32);
          if (is_synced) model->synchronise_batch_norm(shared(group));
          auto adam = adam_of(model);
          const auto input = own_input(in_bytes(input_of(kind, 0)), group);
          const auto expected = expected_traffic(kind, input, is_synced, model, group);
          const auto step =
              make_step(kind.loss, {.retain_group = kind.retain, .group = shared(group)});
          const auto before = group.traffic();
          step->run(model, adam, input);
          EXPECT_EQ(group.traffic().gathered - before.gathered, expected.gathered);
          EXPECT_EQ(group.traffic().summed - before.summed, expected.summed);
          EXPECT_EQ(group.traffic().broadcast, before.broadcast);
        }
      }
      const auto before = group.traffic();
      group.agreement().stop();
      group.agreement().finish();
      EXPECT_EQ(group.traffic().summed - before.summed, 16);
    });
  }
}

// The most bytes of tensors at once, beyond those that were there before.
class Peak : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    now_ += size;
    bytes_ = std::max(bytes_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t now_ = 0, bytes_ = 0;
};

int64_t peak_of_step(const Kind& kind, dist::Group& group, const StepInput& own) {
  auto model = small_model(torch::kFloat32);
  auto adam = adam_of(model);
  const auto step = make_step(kind.loss, {.retain_group = kind.retain, .group = shared(group)});
  step->run(model, adam, own);  // what is made once
  // The least of a few steps: a collective's threads let go of its tensors sooner or later.
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int repetition = 0; repetition < 4; ++repetition) {
    const auto peak = std::make_shared<Peak>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, peak);
    step->run(model, adam, own);
    least = std::min(least, peak->bytes());
  }
  return least;
}

StepInput first_rows(StepInput input, int64_t rows) {
  input.view1 = input.view1.slice(0, 0, rows);
  input.view2 = input.view2.slice(0, 0, rows);
  return input;
}

// Beyond the rows that are gathered and, under MixUp, the images (as bytes and as float32) with
// what the mix and the loss hold of each: a few numbers.
TEST(StepCost, MemoryDoesNotGrowWithTheRanks) {
  constexpr int64_t kShare = 3, kFloat = 4, kFewNumbers = 256;  // bytes
  for (const int size : {2, 4}) {
    ranks::run(size, [](dist::Group& group) {
      const auto alone = dist::alone();
      for (const auto& kind : kinds()) {
        SCOPED_TRACE(kind.name);
        const auto input = in_bytes(input_of(kind, 0));
        const auto own = own_input(input, group);
        EXPECT_LT(peak_of_step(kind, group, own), peak_of_step(kind, *alone, input));
        if (!kind.loss.baseline) continue;  // environments of more samples would be others
        const auto share = first_rows(input, kShare);
        const int64_t more = kShare * (group.size() - 1);
        const int64_t rows = 2 * kFloat * kFeatureDim, image = input.view1[0].numel();
        EXPECT_LE(
            peak_of_step(kind, group, share),
            peak_of_step(kind, *alone, share) +
                more * (2 * rows + (kind.loss.mixup.on ? (1 + kFloat) * image + kFewNumbers : 0)));
      }
    });
  }
}

}  // namespace
}  // namespace ipirm::train
