// The convention by which every operator of this room is dispatched (library.cpp has the schemas).
//
// - The public C++ function in include/ipirm/ops calls the dispatcher, as torch.ops.ipirm does.
// - Registrations alone choose the implementation: CPU takes the fused kernels; CUDA and
//   PrivateUse1 (a device that others plug into PyTorch) take the kernels that stand under the
//   registration's device in a table (device_kernels.h), for float32, and the ATen form where there
//   are none; Meta knows the shapes; Autograd says what a graph sees of the operator. No operator
//   asks where its tensors are.
// - A device's implementation is registered through the operator's `checked`, which widens half
//   precision, leaves autocast and checks the arguments, so that no implementation has to.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace ipirm::ops {

// The dispatcher's entry for the operator `name`, whose C++ function has the type Function.
template <class Function>
c10::TypedOperatorHandle<Function> find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

// What Autograd does for operators whose outputs carry no graph, because they bring their gradient
// along. The call goes through the dispatcher again, so that modes below autograd (FakeTensor) see
// it.
inline void without_graph(const c10::OperatorHandle& op, c10::DispatchKeySet,
                          torch::jit::Stack* stack) {
  at::AutoDispatchBelowADInplaceOrView below;
  op.callBoxed(stack);
}

}  // namespace ipirm::ops
