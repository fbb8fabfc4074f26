// What resembles the second derivatives of a logistic regression and is solved for: it makes their
// systems easy for conjugate gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/logistic_loss.h"
#include "metrics/symmetric.h"

namespace ipirm::metrics {

// It begins with the mean of the scores' own second derivatives, which is exact for two classes and
// close where all classes are about as uncertain. Once conjugate gradients have cost as much as a
// better one would, it becomes that: first each score's own second derivatives, then all of them.
// Where the classes come apart, the scores' second derivatives are orders of magnitude apart, and
// the better ones save most of the products.
class Preconditioner {
 public:
  explicit Preconditioner(const LogisticLoss& loss);

  // What numbers (R, A) are turned into; the mean of each column is taken away.
  Matrix solve(Matrix numbers) const;

  void count_product() { ++products_; }
  // Whether the products so far have cost as much as making the next one would.
  bool improvement_is_due() const { return static_cast<double>(products_) >= cost_of_next_; }
  // Makes the next one, at the loss's point.
  void improve();

 private:
  enum class Kind { kMean, kOwn, kFull };
  void choose_next();

  const LogisticLoss& loss_;
  Kind kind_ = Kind::kMean, next_ = Kind::kMean;
  double cost_of_next_ = 0;      // in products
  int64_t products_ = 0;         // since this one was made
  std::vector<Cholesky> parts_;  // one for all scores, one for each, or one of all together
};

}  // namespace ipirm::metrics
