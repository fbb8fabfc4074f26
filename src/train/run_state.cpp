// The parts of a run's state: network, optimizer, partitions, search, data, position
// (src/checkpoint/FORMAT.md).
#include "ipirm/train/run_state.h"

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/dist/collect.h"

namespace ipirm::train {
namespace {

using checkpoint::SavedTensors;
using checkpoint::StateDict;

std::string numbered(const char* name, size_t number) { return core::cat(name, ".", number); }

// A part that is a member of the run's state.
class RunPart : public checkpoint::StatePart {
 public:
  explicit RunPart(RunState& state) : run_(state) {}

 protected:
  RunState& run_;
};

// Stands first, so that a state of other data is refused before anything has changed.
class DataPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    return run_.data ? StateDict{{kName, data::to_tensor(*run_.data)}} : StateDict{};
  }
  void load(SavedTensors& saved) override {
    if (!saved.holds(kName)) {
      if (run_.data) {
        core::log_info(core::cat(saved.source(), ": was saved by a version that kept no ",
                                 "fingerprint of the data: whether they are the same is not ",
                                 "checked"));
      }
      return;
    }
    const auto before = data::fingerprint_from(saved.take(kName), saved.source());
    const auto different = run_.data ? data::difference(before, *run_.data) : "";
    if (different.empty()) return;
    throw core::UserError(core::cat(
        saved.source(), ": the run was started on other data, which differ in ", different,
        "; resume with those (--dataset, --data_root), or start anew with --overwrite"));
  }

 private:
  static constexpr const char* kName = "data.fingerprint";
};

class ModelPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override { return checkpoint::state_dict(*run_.model); }
  void load(SavedTensors& saved) override {
    checkpoint::load_state_dict(*run_.model, saved.take_all("module."), saved.source());
  }
};

class AdamPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    StateDict tensors;
    auto adam = run_.adam;  // its tensors are shared, not copied
    for (size_t i = 0; i < adam.parameters().size(); ++i) {
      tensors.emplace_back(numbered("adam_first", i), adam.first_moments()[i]);
      tensors.emplace_back(numbered("adam_second", i), adam.second_moments()[i]);
      tensors.emplace_back(numbered("adam_step", i), adam.steps()[i]);
    }
    return tensors;
  }
  void load(SavedTensors& saved) override {
    const auto fill = [&](torch::Tensor& moment, const char* name, size_t i) {
      moment.copy_(saved.take(numbered(name, i), moment.sizes(), moment.scalar_type()));
    };
    for (size_t i = 0; i < run_.adam.parameters().size(); ++i) {
      fill(run_.adam.first_moments()[i], "adam_first", i);
      fill(run_.adam.second_moments()[i], "adam_second", i);
      fill(run_.adam.steps()[i], "adam_step", i);
    }
  }
};

class PartitionsPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    const auto& logits = run_.partitions.logits();
    StateDict tensors = {{"partitions", torch::full({}, run_.partitions.size(), torch::kInt64)}};
    for (size_t p = 0; p < logits.size(); ++p)
      tensors.emplace_back(numbered("partition", p), logits[p]);
    return tensors;
  }
  void load(SavedTensors& saved) override {
    const auto count = saved.take("partitions", {}, torch::kInt64).item<int64_t>();
    for (int64_t p = 0; p < count; ++p) {
      const auto logits = saved.take(numbered("partition", static_cast<size_t>(p)));
      if (logits.dim() != 2) {
        throw core::UserError(core::cat(saved.source(), ": partition ", p, " of ", count,
                                        " is no matrix; the file is damaged"));
      }
      run_.partitions.add(logits);
    }
  }
};

class SearchPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    const auto& search = run_.search;
    if (!search) return {};
    StateDict tensors = {
        {"search.logits", search->logits},
        {"search.first", search->first},
        {"search.second", search->second},
        {"search.step", search->step},
        {"search.counters", torch::tensor({search->passes, search->best_pass}, torch::kInt64)},
        {"search.best_risk", torch::full({}, search->best_risk, torch::kFloat64)}};
    if (search->best.defined()) tensors.emplace_back("search.best", search->best);
    return tensors;
  }
  void load(SavedTensors& saved) override {
    if (!saved.holds("search.counters")) return;
    const auto device = run_.adam.parameters().front().device();
    partition::SearchState search;
    search.logits = saved.take("search.logits").to(device);
    const auto shape = search.logits.sizes();
    const auto matrix = [&](const char* name) {
      return saved.take(name, shape, torch::kFloat32).to(device);
    };
    const auto counters = saved.take("search.counters", {2}, torch::kInt64);
    search.passes = counters[0].item<int64_t>();
    search.best_pass = counters[1].item<int64_t>();
    search.best_risk = saved.take("search.best_risk", {}, torch::kFloat64).item<double>();
    search.first = matrix("search.first");
    search.second = matrix("search.second");
    search.step = saved.take("search.step", {}, torch::kFloat32).to(device);
    if (search.passes > 0) search.best = matrix("search.best");
    if (shape.size() != 2 || search.passes < 0 || search.best_pass < 0 ||
        search.best_pass > search.passes) {
      throw core::UserError(core::cat(saved.source(), ": the state of the search under way is ",
                                      "out of range; the file is damaged"));
    }
    run_.search = std::move(search);
  }
};

// The source's name as bytes.
class SourcePart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    if (run_.source.empty()) return {};
    const std::vector<uint8_t> bytes(run_.source.begin(), run_.source.end());
    return {{kName, torch::tensor(bytes, torch::kUInt8)}};
  }
  void load(SavedTensors& saved) override {
    if (!saved.holds(kName)) return;  // of a version that knew the search alone
    const auto bytes = saved.take(kName).to(torch::kUInt8).contiguous();
    const auto* first = bytes.const_data_ptr<uint8_t>();
    const std::string before(first, first + bytes.numel());
    if (run_.source.empty() || before == run_.source) return;
    throw core::UserError(core::cat(saved.source(), ": the run's partitions come from ", before,
                                    ", not from ", run_.source, "; resume with --partition_source ",
                                    before, ", or start anew with --overwrite"));
  }

 private:
  static constexpr const char* kName = "partition_source";
};

class PositionPart : public RunPart {
 public:
  using RunPart::RunPart;
  StateDict state() const override {
    const auto& position = run_.position;
    return {{"position", torch::tensor({position.epoch, static_cast<int64_t>(position.phase),
                                        position.step, position.total_steps},
                                       torch::kInt64)},
            {"loss_sum", torch::full({}, position.loss_sum, torch::kFloat64)}};
  }
  void load(SavedTensors& saved) override {
    auto position = position_from(saved.take("position"), saved.source());
    position.loss_sum = saved.take("loss_sum", {}, torch::kFloat64).item<double>();
    run_.position = position;
  }
};

}  // namespace

Position position_from(const torch::Tensor& counters, const std::string& source) {
  if (counters.scalar_type() == torch::kInt64 && counters.sizes() == torch::IntArrayRef{4}) {
    const auto values = counters.contiguous();
    const int64_t* value = values.const_data_ptr<int64_t>();
    if (value[0] >= 1 && value[1] >= 0 && value[1] <= 2 && value[2] >= 0 && value[3] >= 0)
      return {value[0], static_cast<Phase>(value[1]), value[2], value[3], 0};
  }
  throw core::UserError(core::cat(source, ": the counters in 'position' are out of range or of ",
                                  "another form; the file is damaged"));
}

checkpoint::StateParts parts_of(RunState& state) {
  return {std::make_shared<DataPart>(state),    std::make_shared<ModelPart>(state),
          std::make_shared<AdamPart>(state),    std::make_shared<PartitionsPart>(state),
          std::make_shared<SearchPart>(state),  std::make_shared<SourcePart>(state),
          std::make_shared<PositionPart>(state)};
}

void share_state(RunState& state, dist::Group& group) {
  if (group.is_alone()) return;
  const auto parts = parts_of(state);
  SavedTensors first(dist::from_first(group, checkpoint::state_of(parts)), "the state of rank 0");
  const torch::NoGradGuard no_grad;
  if (!group.is_first()) checkpoint::load_parts(parts, first);
}

}  // namespace ipirm::train
