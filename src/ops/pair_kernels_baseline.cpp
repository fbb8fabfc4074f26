// The pair kernels compiled for the build's own target, and the choice among the sets.
#include "ops/pair_kernels.h"

#include <cstdlib>
#include <cstring>

#define IPIRM_KERNEL_SET baseline
#define IPIRM_KERNEL_NAME "baseline"
#define IPIRM_VECTOR_BYTES 16
#define IPIRM_ROW_PANEL 6
#include "ops/pair_kernels_body.h"

namespace ipirm::ops {

template <class T>
const PairKernels<T>& baseline_pair_kernels() {
  return baseline::kKernels<T>;
}

template <class T>
const PairKernels<T>& best_pair_kernels() {
  const char* wanted = std::getenv("IPIRM_CPU_KERNELS");
  const PairKernels<T>* const sets[] = {avx512_pair_kernels<T>(), avx2_pair_kernels<T>()};
  for (const auto* set : sets) {
    if (set != nullptr && (wanted == nullptr || std::strcmp(wanted, set->name) == 0)) return *set;
  }
  return baseline_pair_kernels<T>();
}

template const PairKernels<float>& baseline_pair_kernels<float>();
template const PairKernels<double>& baseline_pair_kernels<double>();
template const PairKernels<float>& best_pair_kernels<float>();
template const PairKernels<double>& best_pair_kernels<double>();

}  // namespace ipirm::ops
