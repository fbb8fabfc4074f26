// The pair kernels compiled for AVX-512 (CMakeLists.txt sets the target of this file alone).
#include "ops/pair_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define IPIRM_KERNEL_SET avx512
#define IPIRM_KERNEL_NAME "avx512"
#define IPIRM_VECTOR_BYTES 64
#define IPIRM_ROW_PANEL 12
#include "ops/pair_kernels_body.h"

namespace ipirm::ops {

template <class T>
const PairKernels<T>* avx512_pair_kernels() {
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
  return present ? &avx512::kKernels<T> : nullptr;
}

#else

namespace ipirm::ops {

template <class T>
const PairKernels<T>* avx512_pair_kernels() {
  return nullptr;
}

#endif

template const PairKernels<float>* avx512_pair_kernels<float>();
template const PairKernels<double>* avx512_pair_kernels<double>();

}  // namespace ipirm::ops
