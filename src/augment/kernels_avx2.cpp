// The kernels compiled for AVX2, whatever the build's own target.
#include "augment/kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx2")
#define IPIRM_KERNEL_SET avx2
#define IPIRM_KERNEL_NAME "avx2"
#define IPIRM_KERNEL_AVX2  // GCC 12 lexes the whole file first: __AVX2__ is not yet defined here
#include "augment/kernels_body.h"
#pragma GCC pop_options

namespace ipirm::augment {

const Kernels* avx2_kernels() { return __builtin_cpu_supports("avx2") ? &avx2::kKernels : nullptr; }

}  // namespace ipirm::augment

#else

namespace ipirm::augment {

const Kernels* avx2_kernels() { return nullptr; }

}  // namespace ipirm::augment

#endif
