// Adam over ATen's fused kernel, which exists for the CPU and for CUDA.
#include "ipirm/ops/adam.h"

namespace ipirm::ops {

Adam::Adam(std::vector<at::Tensor> parameters, const AdamOptions& options)
    : options_(options), parameters_(std::move(parameters)) {
  for (const auto& parameter : parameters_) {
    first_.push_back(at::zeros_like(parameter));
    second_.push_back(at::zeros_like(parameter));
    steps_.push_back(at::zeros({}, parameter.options().dtype(at::kFloat)));
  }
}

void Adam::step(const std::vector<at::Tensor>& gradients) {
  at::NoGradGuard no_grad;
  for (auto& step : steps_) step.add_(1);
  // The fused kernel walks the memory of parameter, gradient and moments side by side.
  std::vector<at::Tensor> laid_out = gradients;
  for (size_t i = 0; i < laid_out.size(); ++i) {
    if (laid_out[i].strides() != parameters_[i].strides()) {
      laid_out[i] = at::empty_like(parameters_[i]).copy_(laid_out[i]);
    }
  }
  at::_fused_adam_(parameters_, laid_out, first_, second_, /*max_exp_avg_sqs=*/{}, steps_,
                   options_.lr, options_.beta1, options_.beta2, options_.weight_decay, options_.eps,
                   /*amsgrad=*/false,
                   /*maximize=*/false);
}

}  // namespace ipirm::ops
