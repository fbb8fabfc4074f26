// The pair kernels compiled for AVX2 and FMA (CMakeLists.txt sets the target of this file alone).
#include "ops/pair_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#define IPIRM_KERNEL_SET avx2
#define IPIRM_KERNEL_NAME "avx2"
#define IPIRM_VECTOR_BYTES 32
#define IPIRM_ROW_PANEL 6
#include "ops/pair_kernels_body.h"

namespace ipirm::ops {

template <class T>
const PairKernels<T>* avx2_pair_kernels() {
  const bool present = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return present ? &avx2::kKernels<T> : nullptr;
}

#else

namespace ipirm::ops {

template <class T>
const PairKernels<T>* avx2_pair_kernels() {
  return nullptr;
}

#endif

template const PairKernels<float>* avx2_pair_kernels<float>();
template const PairKernels<double>* avx2_pair_kernels<double>();

}  // namespace ipirm::ops
