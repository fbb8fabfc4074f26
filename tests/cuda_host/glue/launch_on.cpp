// launch_on for tensors of the host: the kernels run here and now, on no stream.
#include "ops/cuda/runtime.h"

#include <c10/util/Exception.h>

namespace ipirm::ops::cuda {

void launch_on(const at::Tensor&, const char* what,
               const std::function<int(void* stream)>& launch) {
  TORCH_CHECK(launch(nullptr) == 0, what);
}

}  // namespace ipirm::ops::cuda
