// The device's operators: tensors and views of its memory, copies, and a fallback that checks,
// counts, and lets the CPU compute.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_cpu_dispatch.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <set>

#include "fake_device/counts.h"
#include "fake_device/fake_device.h"
#include "fake_device/memory.h"

namespace ipirm::fake_device {
namespace {

using at::Tensor;

// --- Tensors and views: no work for a device -----------------------------------------------------

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

void refuse_pinned(std::optional<bool> pin) {
  TORCH_CHECK(!c10::pinned_memory_or_default(pin), "only tensors of the CPU can be pinned");
}
Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> dtype,
             std::optional<c10::Layout>, std::optional<c10::Device>, std::optional<bool> pin,
             std::optional<c10::MemoryFormat> format) {
  refuse_pinned(pin);
  return at::detail::empty_generic(size, device_allocator(), kKeys, c10::dtype_or_default(dtype),
                                   format);
}
Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride,
                     std::optional<c10::ScalarType> dtype, std::optional<c10::Layout>,
                     std::optional<c10::Device>, std::optional<bool> pin) {
  refuse_pinned(pin);
  return at::detail::empty_strided_generic(size, stride, device_allocator(), kKeys,
                                           c10::dtype_or_default(dtype));
}
Tensor as_strided(const Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                  std::optional<c10::SymInt> offset) {
  return at::cpu::as_strided_symint(self, size, stride, offset);
}
const Tensor& resize_(const Tensor& self, c10::SymIntArrayRef size,
                      std::optional<at::MemoryFormat> format) {
  return at::native::resize_(self, C10_AS_INTARRAYREF_SLOW(size), format);
}
Tensor reshape_alias(const Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(size),
                                    C10_AS_INTARRAYREF_SLOW(stride));
}
Tensor view(const Tensor& self, c10::SymIntArrayRef size) {
  return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}
Tensor& set_to_tensor(Tensor& self, const Tensor& source) {
  return at::native::set_tensor_(self, source);
}
Tensor& set_to_storage(Tensor& self, at::Storage source) { return at::native::set_(self, source); }
Tensor& set_to_part(Tensor& self, at::Storage source, int64_t offset, c10::IntArrayRef size,
                    c10::IntArrayRef stride) {
  return at::cpu::set_(self, source, offset, size, stride);
}
// Module::to and set_data ask this; CUDA's tensors say yes.
bool has_compatible_type(const Tensor&, const Tensor&) { return true; }

// --- Copies --------------------------------------------------------------------------------------

void count_copy(const Tensor& from, const Tensor& to, bool non_blocking) {
  if (from.is_cpu()) {
    count_launch("copy to the device");
    if (!non_blocking)
      count_wait("blocking copy to the device");
    else if (!is_pinned(from.storage().data()))
      count_wait(kPageable);
  } else if (to.is_cpu()) {
    TORCH_CHECK(Working::on() || !non_blocking,
                "a copy to the host that does not block: the host would read too early");
    count_launch("copy to the host");
    count_wait("copy to the host");
  } else {
    count_launch("aten::copy_");
  }
}
Tensor copy_from(const Tensor& from, const Tensor& to, bool non_blocking) {
  if (from.numel() > 0) count_copy(from, to, non_blocking);
  const Working working;
  const Unlock unlock_from(from), unlock_to(to);
  as_cpu(to).copy_(as_cpu(from));
  return to;
}
Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_from(from, to, /*non_blocking=*/false);
}
at::Scalar local_scalar_dense(const Tensor& self) {
  count_wait("item()");
  const Unlock unlock(self);
  return at::native::_local_scalar_dense_cpu(self);
}

void record_stream(Tensor& self, at::Stream stream) {
  device_allocator()->recordStream(self.storage().data_ptr(), stream);
}

// --- Everything else -----------------------------------------------------------------------------

// Operators for which CUDA waits, since the size of their result or their checks depend on values.
const std::set<std::string> kWaiting = {"aten::nonzero",    "aten::masked_select",
                                        "aten::bincount",   "aten::_unique2",
                                        "aten::unique_dim", "aten::repeat_interleave.Tensor",
                                        "aten::equal"};

// Every tensor among the arguments, with the argument's name.
template <class Visit>
void for_each_tensor(const c10::FunctionSchema& schema, const torch::jit::Stack& stack,
                     const Visit& visit) {
  const auto& arguments = schema.arguments();
  const size_t first = stack.size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto& value = stack[first + i];
    const auto& name = arguments[i].name();
    if (value.isTensor()) visit(value.toTensor(), name);
    if (value.isTensorList())
      for (const Tensor& tensor : value.toTensorVector()) visit(tensor, name);
    if (value.isOptionalTensorList()) {
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector())
        if (tensor) visit(*tensor, name);
    }
  }
}

void compute_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  for_each_tensor(schema, *stack, [&](const Tensor& tensor, const std::string& argument) {
    const bool is_number = tensor.defined() && tensor.is_cpu() && tensor.dim() == 0;
    TORCH_CHECK(!tensor.defined() || tensor.device() == kDevice || is_number,
                "Expected all tensors to be on the same device: ", schema.name(), " has '",
                argument, "' ", tensor.sizes(), " on ", tensor.device());
  });
  const auto& overload = schema.overload_name();
  const auto name = overload.empty() ? schema.name() : schema.name() + "." + overload;
  count_launch(name);
  if (kWaiting.contains(schema.name()) || kWaiting.contains(name)) count_wait(name);
  const Working working;
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", as_strided);
  m.impl("resize_", resize_);
  m.impl("_reshape_alias", reshape_alias);
  m.impl("view", view);
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("set_.source_Tensor", set_to_tensor);
  m.impl("set_.source_Storage", set_to_storage);
  m.impl("set_.source_Storage_storage_offset", set_to_part);
  m.impl("_has_compatible_shallow_copy_type", has_compatible_type);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", local_scalar_dense);
  m.impl("record_stream", record_stream);
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
}
// CUDA has kernels over lists, of which a device that it does not know gets a loop.
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  for (const char* name : {"_foreach_add_.Scalar", "_foreach_add_.List", "_foreach_copy_"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute_on_cpu>());
}

}  // namespace
}  // namespace ipirm::fake_device
