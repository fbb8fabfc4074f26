// The kernels for the processor family that the build is for, and the choice of a set at run time.
#define IPIRM_KERNEL_SET baseline
#define IPIRM_KERNEL_NAME "baseline"
#ifdef __AVX2__  // a build with -march=native
#include <immintrin.h>
#define IPIRM_KERNEL_AVX2
#endif
#include "augment/kernels_body.h"

namespace ipirm::augment {

const Kernels& baseline_kernels() { return baseline::kKernels; }

const Kernels& best_kernels() {
  static const Kernels& best = avx2_kernels() ? *avx2_kernels() : baseline_kernels();
  return best;
}

}  // namespace ipirm::augment
