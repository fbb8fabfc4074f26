// Whole training runs of every form on every device: their first numbers are those of the CPU.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <functional>

#include "device/devices.h"

namespace ipirm::test {
namespace {

using train::SmallRun;

// bfloat16 keeps 8 bits, and other kernels round at other places.
constexpr double kBf16Tolerance = .02;

// A way to train.
struct Form {
  const char* name;
  std::function<void(SmallRun&)> change;
};

void use_mixup(SmallRun& run) {
  run.loss.mixup.on = run.maximize.mixup = true;
  run.maximize.batch_size = 24;
}
void use_online(SmallRun& run) {
  run.maximize.offline = false;
  run.maximize.batch_size = 24;
}

const std::vector<Form> kForms = {
    {"Offline", [](SmallRun&) {}},
    {"OfflineInBatches", [](SmallRun& run) { run.maximize.batch_size = 20; }},
    {"Online", use_online},
    {"Bf16", [](SmallRun& run) { run.options.bf16 = true; }},
    {"Vrex", [](SmallRun& run) { run.loss.penalty = loss::Penalty::kVrex; }},
    {"Random", [](SmallRun& run) { run.state->source = "random"; }},
    {"Baseline", [](SmallRun& run) { run.loss.baseline = true; }},
    {"DebiasedBaseline", [](SmallRun& run) { run.loss.baseline = run.loss.debiased = true; }},
    {"MixupOffline", use_mixup},
    {"MixupOnline",
     [](SmallRun& run) {
       use_mixup(run);
       use_online(run);
     }},
    {"MixupOfTheNewestPartition",
     [](SmallRun& run) {
       use_mixup(run);
       run.options.retain_group = false;
       run.state->partitions = partition::PartitionSet(false, run.device);
     }},
    {"MixupBaseline", [](SmallRun& run) { run.loss.mixup.on = run.loss.baseline = true; }},
};

class Training : public DeviceTest<std::tuple<Kind, Form>> {
 protected:
  // Runs the form in `folder`, whole.
  void train_in(const std::string& folder, torch::Device device, const Form& form) {
    SmallRun run(root_ / folder, train::ExistingRun::kRefuse, device);
    run.options.epochs = run.options.maximize_iter = 1;
    run.options.eval_every = run.options.save_every = 1;
    form.change(run);
    ASSERT_TRUE(run.trainer().run());
    for (const auto& parameter : run.state->model->parameters()) {
      EXPECT_EQ(parameter.device(), device);
      EXPECT_TRUE(parameter.isfinite().all().item<bool>());
    }
  }
};

// The first numbers alone: in an untrained network a sample that changes its environment by a
// rounding makes all that follows another run.
TEST_P(Training, BeginsWithTheNumbersOfTheCpu) {
  const auto& [kind, form] = GetParam();
  use(kind);
  if (IsSkipped()) return;
  train_in("cpu", torch::kCPU, form);
  fake_device::take_counts();
  train_in("device", device_, form);
  EXPECT_EQ(fake_device::take_counts().waits[fake_device::kPageable], 0);
  const double bound = std::string(form.name) == "Bf16" ? kBf16Tolerance : tolerance(kind);
  for (const char* event : {"maximize_pass", "step", "maximize", "knn"}) {
    SCOPED_TRACE(event);
    const auto found = numbers_of(root_ / "device", event),
               expected = numbers_of(root_ / "cpu", event);
    ASSERT_EQ(found.size(), expected.size());
    const bool is_first = std::string(event) == "maximize_pass" || std::string(event) == "step";
    if (is_first && !expected.empty()) expect_near(found[0], expected[0], bound);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Training,
                         ::testing::Combine(kOtherKinds, ::testing::ValuesIn(kForms)),
                         [](const auto& test) {
                           return std::get<1>(test.param).name + name_of(std::get<0>(test.param));
                         });

class AdamOn : public DeviceTest<Kind> {};

// Parameters of both layouts, gradients of the same and of the other; three steps.
TEST_P(AdamOn, MovesAsOnTheCpu) {
  use(GetParam());
  if (IsSkipped()) return;
  const auto parameters_on = [](torch::Device device) {
    torch::manual_seed(2);
    const auto channels_last = torch::MemoryFormat::ChannelsLast;
    const std::vector<torch::Tensor> parameters = {
        torch::randn({4, 3, 3, 3}).contiguous(channels_last).to(device),
        torch::randn({4, 3, 1, 1}).contiguous(channels_last).to(device),
        torch::randn({4, 3, 3, 3}).to(device), torch::randn({5}).to(device)};
    ops::Adam adam(parameters, {.lr = .1, .weight_decay = .01});
    for (int step = 0; step < 3; ++step) {
      std::vector<torch::Tensor> gradients;
      for (const auto& parameter : parameters) {
        const auto gradient = torch::randn(parameter.sizes()).to(device);
        const bool turned = gradient.dim() == 4 && step != 1;
        gradients.push_back(turned ? gradient.contiguous(channels_last) : gradient);
      }
      adam.step(gradients);
    }
    return parameters;
  };
  const auto found = parameters_on(device_), expected = parameters_on(torch::kCPU);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].strides(), expected[i].strides());
    EXPECT_TRUE(torch::allclose(found[i].cpu(), expected[i], 1e-5, 1e-6)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, AdamOn, kAllKinds,
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace ipirm::test
