// Adam over ATen's fused kernel, which exists for the CPU and for CUDA.
#include "ipirm/ops/adam.h"

namespace ipirm::ops {
namespace {

// Whether the elements of two tensors of one shape lie in the same order: strides of dimensions of
// size 1 say nothing.
bool laid_out_alike(const at::Tensor& a, const at::Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d)
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  return true;
}

// The gradient with exactly the parameter's strides: a view where the memory allows it.
at::Tensor laid_out_as(const at::Tensor& parameter, const at::Tensor& gradient) {
  if (gradient.strides() == parameter.strides()) return gradient;
  if (laid_out_alike(gradient, parameter))
    return gradient.as_strided(parameter.sizes(), parameter.strides());
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

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
  at::_foreach_add_(steps_, 1);
  // The fused kernel walks the memory of parameter, gradient and moments side by side.
  std::vector<at::Tensor> laid_out;
  for (size_t i = 0; i < gradients.size(); ++i)
    laid_out.push_back(laid_out_as(parameters_[i], gradients[i]));
  at::_fused_adam_(parameters_, laid_out, first_, second_, /*max_exp_avg_sqs=*/{}, steps_,
                   options_.lr, options_.beta1, options_.beta2, options_.weight_decay, options_.eps,
                   /*amsgrad=*/false,
                   /*maximize=*/false);
}

}  // namespace ipirm::ops
