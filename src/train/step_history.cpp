// A ring of step terms on the device.
#include "ipirm/train/step_history.h"

namespace ipirm::train {

StepHistory::StepHistory(int64_t capacity, torch::Device device)
    : terms_(torch::zeros({capacity, 4},
                          torch::TensorOptions().dtype(torch::kFloat64).device(device))) {}

void StepHistory::add(const loss::Terms& terms) {
  TORCH_INTERNAL_ASSERT(!full(), "the step history must be read before it is full");
  terms_.select(0, size_).copy_(
      torch::stack({terms.loss, terms.contrastive, terms.penalty, terms.batch}));
  ++size_;
}

std::vector<std::array<double, 4>> StepHistory::take() {
  const auto on_cpu = terms_.slice(0, 0, size_).to(torch::kCPU).contiguous();
  const double* value = on_cpu.const_data_ptr<double>();
  std::vector<std::array<double, 4>> steps(static_cast<size_t>(size_));
  for (auto& step : steps) {
    for (auto& term : step) term = *value++;
  }
  size_ = 0;
  return steps;
}

}  // namespace ipirm::train
