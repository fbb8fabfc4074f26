// The stages of boosting: probabilities, residuals, a tree for each score, its leaves' values.
#include "ipirm/metrics/boosted_trees.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ipirm/core/interrupt.h"
#include "metrics/tree_grower.h"

namespace ipirm::metrics {
namespace {

constexpr double kLeastDenominator = 1e-150;  // of a leaf's value
constexpr int64_t kBlock = 1024;              // samples a piece of work
constexpr int64_t kStepsOfExponential = 20;

int64_t num_blocks(int64_t rows) { return (rows + kBlock - 1) / kBlock; }

// The scores while they grow, one row a score, and what follows from them.
struct Scores {
  Scores(const std::vector<double>& start, int64_t num_rows) : rows(num_rows) {
    for (const double score : start) of_row.emplace_back(static_cast<size_t>(rows), score);
    probability = residual = of_row;
  }

  // Probability of each score's class and what is missing from it to the truth.
  void update(const Classes& classes, const Workers& workers) {
    workers.each(
        num_blocks(rows),
        [&](int64_t block, int) {
          const int64_t end = std::min((block + 1) * kBlock, rows);
          for (int64_t i = block * kBlock; i < end; ++i)
            update_sample(classes, static_cast<size_t>(i));
        },
        kBlock * static_cast<int64_t>(of_row.size()) * kStepsOfExponential);
  }

  void update_sample(const Classes& classes, size_t i) {
    const int64_t truth = classes.of_sample[i];
    if (of_row.size() == 1) {
      probability[0][i] = 1 / (1 + std::exp(-of_row[0][i]));
      residual[0][i] = static_cast<double>(truth) - probability[0][i];
      return;
    }
    double largest = of_row[0][i], sum = 0;
    for (const auto& row : of_row) largest = std::max(largest, row[i]);
    for (size_t k = 0; k < of_row.size(); ++k)
      sum += probability[k][i] = std::exp(of_row[k][i] - largest);
    for (size_t k = 0; k < of_row.size(); ++k) {
      probability[k][i] /= sum;
      residual[k][i] = (static_cast<int64_t>(k) == truth) - probability[k][i];
    }
  }

  int64_t rows;
  std::vector<std::vector<double>> of_row, probability, residual;
};

// Gives the leaves their values.
void set_leaves(GrowingTree& tree, const std::vector<double>& probability, double scale) {
  std::vector<double> sums(tree.nodes.size(), 0.0), denominators(tree.nodes.size(), 0.0);
  for (size_t i = 0; i < probability.size(); ++i) {
    sums[tree.node_of[i]] += (*tree.residuals)[i];
    denominators[tree.node_of[i]] += probability[i] * (1 - probability[i]);
  }
  for (size_t node = 0; node < tree.nodes.size(); ++node) {
    if (std::abs(denominators[node]) >= kLeastDenominator)
      tree.nodes[node].value = scale * sums[node] / denominators[node];
  }
}

std::vector<double> first_scores(const Classes& classes) {
  const auto n = static_cast<double>(classes.of_sample.size());
  std::vector<double> start;
  if (classes.count() == 2) {
    const double share = static_cast<double>(classes.sizes[1]) / n;
    return {std::log(share / (1 - share))};
  }
  for (const int64_t size : classes.sizes) start.push_back(std::log(static_cast<double>(size) / n));
  return start;
}

double value_of(const Tree& tree, const Matrix& codes, int64_t row) {
  const TreeNode* node = &tree[0];
  while (node->feature >= 0) {
    const auto code = static_cast<float>(codes(row, node->feature));
    node = &tree[static_cast<size_t>(node->left + (code > node->threshold))];
  }
  return node->value;
}

}  // namespace

SortedCodes::SortedCodes(const Matrix& codes, const Workers& workers)
    : rows_(codes.rows),
      columns_(codes.columns),
      values_(codes.values.size()),
      order_(codes.values.size()) {
  workers.each(columns_, [&](int64_t column, int) {
    float* values = values_.data() + column * rows_;
    uint32_t* order = order_.data() + column * rows_;
    std::iota(order, order + rows_, 0u);
    const auto value_at = [&](uint32_t row) { return static_cast<float>(codes(row, column)); };
    std::stable_sort(order, order + rows_,
                     [&](uint32_t a, uint32_t b) { return value_at(a) < value_at(b); });
    std::transform(order, order + rows_, values, value_at);
  });
}

BoostedTrees::BoostedTrees(const SortedCodes& codes, const Classes& classes,
                           const BoostOptions& options, const Workers& workers)
    : names_(classes.names),
      start_(first_scores(classes)),
      rate_(options.rate),
      importances_(static_cast<size_t>(codes.columns()), 0.0) {
  if (names_.size() < 2) return;
  const auto K = static_cast<double>(names_.size());
  const double scale = names_.size() == 2 ? 1 : (K - 1) / K;
  Scores scores(start_, codes.rows());
  TreeGrower grower(codes, options, workers);
  for (int64_t stage = 0; stage < options.stages && !core::interrupted(); ++stage) {
    scores.update(classes, workers);
    auto trees = grower.grow(scores.residual, stage);
    workers.each(
        static_cast<int64_t>(trees.size()),
        [&](int64_t t, int) {
          const auto k = static_cast<size_t>(t);
          set_leaves(trees[k], scores.probability[k], scale);
          for (size_t i = 0; i < scores.of_row[k].size(); ++i)
            scores.of_row[k][i] += rate_ * trees[k].nodes[trees[k].node_of[i]].value;
        },
        codes.rows());
    stages_.emplace_back();
    for (auto& tree : trees) {
      for (size_t d = 0; d < importances_.size(); ++d) importances_[d] += tree.gains[d];
      stages_.back().push_back(std::move(tree.nodes));
    }
  }
  // The mean over the trees, divided by its sum: the number of trees has no say in it.
  const double sum = std::accumulate(importances_.begin(), importances_.end(), 0.0);
  if (sum > 0) {
    for (double& importance : importances_) importance /= sum;
  }
}

Matrix BoostedTrees::scores(const Matrix& codes, const Workers& workers) const {
  Matrix result(codes.rows, static_cast<int64_t>(start_.size()));
  workers.each(num_blocks(codes.rows), [&](int64_t block, int) {
    const int64_t end = std::min((block + 1) * kBlock, codes.rows);
    for (int64_t row = block * kBlock; row < end; ++row) {
      for (size_t k = 0; k < start_.size(); ++k) {
        double score = start_[k];
        for (const auto& stage : stages_) score += rate_ * value_of(stage[k], codes, row);
        result(row, static_cast<int64_t>(k)) = score;
      }
    }
  });
  return result;
}

Values BoostedTrees::predict(const Matrix& codes, const Workers& workers) const {
  const auto all = scores(codes, workers);
  Values result;
  for (int64_t row = 0; row < all.rows; ++row) {
    const double* first = &all.values[static_cast<size_t>(row * all.columns)];
    const auto place =
        names_.size() == 2 ? (*first > 0) : std::max_element(first, first + all.columns) - first;
    result.push_back(names_[static_cast<size_t>(place)]);
  }
  return result;
}

}  // namespace ipirm::metrics
