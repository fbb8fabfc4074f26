// What a network needs beyond the fallback: convolutions, batch normalisation, autocast.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include "fake_device/counts.h"
#include "fake_device/fake_device.h"
#include "fake_device/memory.h"

namespace ipirm::fake_device {
namespace {

using at::Tensor;
using SymInts = c10::SymIntArrayRef;

std::optional<Tensor> as_cpu_if_there(const std::optional<Tensor>& tensor) {
  return tensor && tensor->defined() ? std::optional(as_cpu(*tensor)) : std::nullopt;
}
Tensor on_device(const Tensor& result) { return result.defined() ? result.to(kDevice) : result; }

// PyTorch hands the convolutions of devices that it does not know to these two.
Tensor convolution(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                   SymInts stride, SymInts padding, SymInts dilation, bool transposed,
                   SymInts output_padding, c10::SymInt groups) {
  TORCH_CHECK(x.device() == weight.device() && x.scalar_type() == weight.scalar_type(),
              "convolution: input and weight differ in device or type");
  count_launch("convolution");
  const Working working;
  const Unlock of_x(x), of_weight(weight), of_bias(bias.value_or(Tensor()));
  return on_device(at::convolution_symint(as_cpu(x), as_cpu(weight), as_cpu_if_there(bias), stride,
                                          padding, dilation, transposed, output_padding, groups));
}
std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& grad, const Tensor& x,
                                                        const Tensor& weight, SymInts stride,
                                                        SymInts padding, SymInts dilation,
                                                        bool transposed, SymInts output_padding,
                                                        c10::SymInt groups,
                                                        std::array<bool, 3> mask) {
  TORCH_CHECK(grad.device() == x.device() && x.device() == weight.device(),
              "convolution_backward: gradient, input and weight differ in device");
  count_launch("convolution_backward");
  const Working working;
  const Unlock of_grad(grad), of_x(x), of_weight(weight);
  const std::vector<c10::SymInt> bias_size = {weight.sym_size(0)};
  const auto [dx, dweight, dbias] = at::convolution_backward_symint(
      as_cpu(grad), as_cpu(x), as_cpu(weight), SymInts(bias_size), stride, padding, dilation,
      transposed, output_padding, groups, mask);
  return {on_device(dx), on_device(dweight), on_device(dbias)};
}

// The fallback would lose the running statistics: the operator's schema does not say that it
// writes them.
std::tuple<Tensor, Tensor, Tensor> native_batch_norm(const Tensor& x,
                                                     const std::optional<Tensor>& weight,
                                                     const std::optional<Tensor>& bias,
                                                     const std::optional<Tensor>& running_mean,
                                                     const std::optional<Tensor>& running_var,
                                                     bool training, double momentum, double eps) {
  for (const auto& other : {weight, bias, running_mean, running_var}) {
    TORCH_CHECK(!other || !other->defined() || other->device() == x.device(),
                "native_batch_norm: not all tensors are on ", x.device());
  }
  count_launch("aten::native_batch_norm");
  const Working working;
  const Unlock of_x(x), of_weight(weight.value_or(Tensor())), of_bias(bias.value_or(Tensor())),
      of_mean(running_mean.value_or(Tensor())), of_var(running_var.value_or(Tensor()));
  const auto [y, mean, invstd] = at::native_batch_norm(
      as_cpu(x), as_cpu_if_there(weight), as_cpu_if_there(bias), as_cpu_if_there(running_mean),
      as_cpu_if_there(running_var), training, momentum, eps);
  return {on_device(y), on_device(mean), on_device(invstd)};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("convolution_overrideable", convolution);
  m.impl("convolution_backward_overrideable", convolution_backward);
  m.impl("native_batch_norm", native_batch_norm);
}

// Of CUDA's autocast lists the part that these networks meet.
TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) { m.fallback(torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  KERNEL_PRIVATEUSEONE(conv2d, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(linear, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(mm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(addmm, lower_precision_fp)
  KERNEL_PRIVATEUSEONE(matmul, lower_precision_fp)
}

}  // namespace
}  // namespace ipirm::fake_device
