// A ring of step terms on the device.
#include "ipirm/train/step_history.h"

namespace ipirm::train {

void StepHistory::add(const loss::NamedTerms& terms) {
  TORCH_INTERNAL_ASSERT(!full(), "the step history must be read before it is full");
  if (!terms_.defined()) {
    for (const auto& term : terms) names_.push_back(term.name);
    terms_ = torch::zeros({capacity_, static_cast<int64_t>(terms.size())},
                          torch::TensorOptions().dtype(torch::kFloat64).device(device_));
  }
  TORCH_INTERNAL_ASSERT(terms.size() == names_.size(), "every step must have the same terms");
  std::vector<torch::Tensor> values;
  for (const auto& term : terms) values.push_back(term.value);
  terms_.select(0, size_).copy_(torch::stack(values));
  ++size_;
}

std::vector<core::NamedValues> StepHistory::take() {
  std::vector<core::NamedValues> steps;
  if (size_ == 0) return steps;
  const auto on_cpu = terms_.slice(0, 0, size_).to(torch::kCPU).contiguous();
  const double* value = on_cpu.const_data_ptr<double>();
  for (; size_ > 0; --size_) {
    auto& step = steps.emplace_back();
    for (const auto& name : names_) step.push_back({name, *value++});
  }
  return steps;
}

}  // namespace ipirm::train
