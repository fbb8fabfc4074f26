// The one warning about rows that are not normalised.
#include "ops/inputs.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>

namespace ipirm::ops {
namespace {

constexpr int64_t kRows = 64;
// Rounding to bfloat16 moves a length by less than a hundredth.
constexpr double kShortest = 0.8, kLongest = 1.25;

std::atomic<bool>& enabled() {
  static std::atomic<bool> on = [] {
    const char* silent = std::getenv("IPIRM_NO_NORM_WARNING");
    return silent == nullptr || *silent == '\0' || *silent == '0';
  }();
  return on;
}

template <class T>
double mean_norm(const at::Tensor& z) {
  const auto rows = z.accessor<T, 2>();
  const int64_t looked_at = std::min(kRows, z.size(0));
  double sum = 0;
  for (int64_t k = 0; k < looked_at; ++k) {
    const auto row = rows[k * z.size(0) / looked_at];
    double square = 0;
    for (int64_t j = 0; j < z.size(1); ++j) square += static_cast<double>(row[j]) * row[j];
    sum += std::sqrt(square);
  }
  return sum / static_cast<double>(looked_at);
}

}  // namespace

void warn_of_norms(const char* name, const at::Tensor& z1) {
  if (!enabled().load(std::memory_order_relaxed)) return;
  const double norm =
      z1.scalar_type() == at::kDouble ? mean_norm<double>(z1) : mean_norm<float>(z1);
  // NaN is not warned of here: it shows in the results.
  if (!(norm < kShortest || norm > kLongest) || !enabled().exchange(false)) return;
  TORCH_WARN("ipirm::", name, ": the rows of z1 have a mean length of ", norm,
             ", expected 1: temperatures are meant for cosines. Pass "
             "torch.nn.functional.normalize(z.float()), or silence this by "
             "torch.ops.ipirm.set_norm_warning(False) or IPIRM_NO_NORM_WARNING=1.");
}

void set_norm_warning(bool on) { enabled() = on; }

}  // namespace ipirm::ops
