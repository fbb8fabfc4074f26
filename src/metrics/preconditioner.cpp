// Costs are counted in multiplications; what is not worth its memory is never made.
#include "metrics/preconditioner.h"

#include <algorithm>
#include <limits>

namespace ipirm::metrics {
namespace {

constexpr double kMostNumbers = 2e7;  // in all matrices together: 160 MB
constexpr double kLeastCost = 20;     // products that a good one needs, too

}  // namespace

Preconditioner::Preconditioner(const LogisticLoss& loss) : loss_(loss) {
  parts_.emplace_back(loss.mean_curvature());
  choose_next();
}

void Preconditioner::choose_next() {
  const auto n = static_cast<double>(loss_.num_samples());
  const auto A = static_cast<double>(loss_.num_parameters());
  const auto R = static_cast<double>(loss_.num_scores());
  const double product = 2 * n * A * R;
  products_ = 0;
  if (kind_ != Kind::kMean && R * A * R * A <= kMostNumbers) {
    next_ = Kind::kFull;
    cost_of_next_ = (n * A * A * R * R / 4 + R * A * R * A * R * A / 6) / product;
  } else if (R > 1 && R * A * A <= kMostNumbers) {
    next_ = Kind::kOwn;
    cost_of_next_ = (n * A * A * R / 2 + R * A * A * A / 6) / product;
  } else {
    cost_of_next_ = std::numeric_limits<double>::infinity();
  }
  cost_of_next_ = std::max(cost_of_next_, kLeastCost);
}

void Preconditioner::improve() {
  parts_.clear();
  kind_ = next_;
  if (kind_ == Kind::kFull) {
    parts_.emplace_back(loss_.full_curvature());
  } else {
    for (auto& own : loss_.own_curvatures()) parts_.emplace_back(std::move(own));
  }
  choose_next();
}

Matrix Preconditioner::solve(Matrix numbers) const {
  if (kind_ == Kind::kFull) {
    parts_[0].solve(numbers.values.data());
  } else {
    for (int64_t r = 0; r < numbers.rows; ++r)
      parts_[kind_ == Kind::kOwn ? static_cast<size_t>(r) : 0].solve(&numbers(r, 0));
  }
  centre(numbers);
  return numbers;
}

}  // namespace ipirm::metrics
