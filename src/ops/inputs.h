// What all operators do with their inputs: mixed precision, and rows that are not normalised.
#pragma once

#include <ATen/ATen.h>

namespace ipirm::ops {

// While one lives, autocast is off on this thread: the operators compute in float32 or float64,
// wherever they are called.
class OutsideAutocast {
 public:
  OutsideAutocast() : guard_(c10::autocast_dispatch_keyset) {}

 private:
  c10::impl::ExcludeDispatchKeyGuard guard_;
};

// float32 for float16 and bfloat16.
inline at::ScalarType widened(at::ScalarType type) {
  return type == at::kHalf || type == at::kBFloat16 ? at::kFloat : type;
}
inline at::Tensor widened(const at::Tensor& t) { return t.to(widened(t.scalar_type())); }

// Warns once in a process where rows of z1 (n, d) are far from length 1: temperatures are meant for
// cosines, and nothing else would tell. It reads the values of 64 rows at most, so that only what
// is registered for the CPU calls it: elsewhere it would wait for the device. Silent with
// IPIRM_NO_NORM_WARNING=1 in the environment. `name` is the operator's.
void warn_of_norms(const char* name, const at::Tensor& z1);
// Turns the warning off, or on again for once more.
void set_norm_warning(bool enabled);

}  // namespace ipirm::ops
