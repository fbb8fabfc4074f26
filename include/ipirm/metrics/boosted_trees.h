// Gradient-boosted classification trees, equal to those of scikit-learn's
// GradientBoostingClassifier with its defaults.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

// Codes (n, D), rounded to float32, each code's samples in ascending order: made once for all
// factors. 8 bytes a number.
class SortedCodes {
 public:
  SortedCodes(const Matrix& codes, const Workers& workers);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  // n each: a code's values in ascending order, and the sample that each belongs to. Of equal
  // values the first sample comes first, so that equal codes have equal orders.
  const float* values(int64_t column) const { return values_.data() + column * rows_; }
  const uint32_t* order(int64_t column) const { return order_.data() + column * rows_; }

 private:
  int64_t rows_, columns_;
  std::vector<float> values_;
  std::vector<uint32_t> order_;
};

struct BoostOptions {
  int64_t stages = 100;
  double rate = 0.1;
  // Of splits that are equally good one is drawn at random, keyed by these two, stage, class and
  // node. factor: less than 2^24.
  uint64_t seed = 0;
  uint64_t factor = 0;
};

// One node of a tree. Leaves have feature -1.
struct TreeNode {
  int64_t feature = -1;
  double threshold = 0;  // a sample whose code is not above goes to `left`, others to `left` + 1
  int64_t left = 0;
  double value = 0;  // of a leaf: what the sample's score gains, before the rate
};
using Tree = std::vector<TreeNode>;  // the root first

class BoostedTrees {
 public:
  // Trains on the codes' n samples and their classes (at least one). With a single class there is
  // nothing to learn, and that one is always found. The same bits for any number of threads. Ends
  // early, without meaning, once core::interrupted().
  BoostedTrees(const SortedCodes& codes, const Classes& classes, const BoostOptions& options,
               const Workers& workers);

  // Scores (n, 1) of two classes, where a positive one stands for the larger, and (n, K) of more.
  Matrix scores(const Matrix& codes, const Workers& workers) const;
  // The class of each sample, by its name in `classes`; of equal scores the first.
  Values predict(const Matrix& codes, const Workers& workers) const;
  // Each code's share in the fall of the variance, D numbers that sum to 1; zeros without a split.
  const std::vector<double>& importances() const { return importances_; }

 private:
  std::vector<int64_t> names_;
  std::vector<double> start_;  // of each score
  double rate_;
  std::vector<std::vector<Tree>> stages_;  // a tree for each score
  std::vector<double> importances_;
};

}  // namespace ipirm::metrics
