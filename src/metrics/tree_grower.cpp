// The best splits of all open nodes by one code are found in one walk over its sorted samples.
#include "metrics/tree_grower.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ipirm/core/keyed_random.h"

namespace ipirm::metrics {
namespace {

constexpr double kLeastVariance = 2.220446049250313e-16;  // below it a node is a leaf
constexpr float kLeastGap = 1e-7f;  // neighbours that are no farther apart are not split
constexpr int kClassBits = 24;

double square(double x) { return x * x; }

// Halfway between two neighbours, and below the upper one.
double threshold_between(float low, float high) {
  const double middle = low / 2.0 + high / 2.0;
  return middle == high ? low : middle;
}

}  // namespace

TreeGrower::TreeGrower(const SortedCodes& codes, const BoostOptions& options,
                       const Workers& workers)
    : codes_(codes),
      options_(options),
      workers_(workers),
      scratch_(static_cast<size_t>(workers.threads())) {
  for (auto& scratch : scratch_) {
    scratch.values.resize(static_cast<size_t>(codes.rows()));
    scratch.residuals.resize(static_cast<size_t>(codes.rows()));
  }
}

std::vector<GrowingTree> TreeGrower::grow(const std::vector<std::vector<double>>& residuals,
                                          int64_t stage) {
  const auto num_trees = static_cast<int64_t>(residuals.size());
  const auto num_codes = codes_.columns();
  splits_.resize(static_cast<size_t>(num_trees * num_codes * kMostOpen));
  std::vector<GrowingTree> trees(residuals.size());
  const auto tree_at = [&](int64_t t) -> GrowingTree& { return trees[static_cast<size_t>(t)]; };
  workers_.each(num_trees, [&](int64_t t, int) {
    auto& tree = tree_at(t);
    tree.residuals = &residuals[static_cast<size_t>(t)];
    tree.nodes.resize(1);
    tree.node_of.assign(static_cast<size_t>(codes_.rows()), 0);
    tree.gains.assign(static_cast<size_t>(num_codes), 0.0);
    open_nodes_from(tree, 0);
  });
  for (int level = 0; level < kDepth; ++level) {
    workers_.each(num_trees * num_codes, [&](int64_t piece, int worker) {
      const int64_t t = piece / num_codes, code = piece % num_codes;
      search_code(tree_at(t), code, scratch_[static_cast<size_t>(worker)], splits_of(t, code));
    });
    workers_.each(num_trees, [&](int64_t t, int) {
      const size_t first_child = tree_at(t).nodes.size();
      split_level(tree_at(t), splits_of(t, 0), stage, t);
      if (level + 1 < kDepth) open_nodes_from(tree_at(t), first_child);
    });
  }
  return trees;
}

// Opens those of the nodes from `first_node` on that may be split.
void TreeGrower::open_nodes_from(GrowingTree& tree, size_t first_node) const {
  const auto& residuals = *tree.residuals;
  std::array<int64_t, kMostNodes> sizes{};
  std::array<double, kMostNodes> sums{}, squares{};
  for (size_t i = 0; i < residuals.size(); ++i) {
    ++sizes[tree.node_of[i]];
    sums[tree.node_of[i]] += residuals[i];
  }
  std::array<double, kMostNodes> means{};
  for (size_t node = first_node; node < tree.nodes.size(); ++node)
    means[node] = sums[node] / static_cast<double>(std::max<int64_t>(sizes[node], 1));
  for (size_t i = 0; i < residuals.size(); ++i)
    squares[tree.node_of[i]] += square(residuals[i] - means[tree.node_of[i]]);

  tree.open.clear();
  std::array<uint8_t, kMostNodes> slots;
  slots.fill(UINT8_MAX);
  for (size_t node = first_node; node < tree.nodes.size(); ++node) {
    if (sizes[node] < 2) continue;
    if (squares[node] / static_cast<double>(sizes[node]) <= kLeastVariance) continue;
    slots[node] = static_cast<uint8_t>(tree.open.size());
    tree.open.push_back({static_cast<uint8_t>(node), sizes[node], sums[node]});
  }
  const auto closed = static_cast<uint8_t>(tree.open.size());
  std::replace(slots.begin(), slots.end(), uint8_t{UINT8_MAX}, closed);
  tree.slot_of.resize(residuals.size());
  for (size_t i = 0; i < residuals.size(); ++i) tree.slot_of[i] = slots[tree.node_of[i]];
}

// found: one split for each open node.
void TreeGrower::search_code(const GrowingTree& tree, int64_t code, Scratch& scratch,
                             Split* found) const {
  const int64_t rows = codes_.rows();
  const float* values = codes_.values(code);
  const uint32_t* order = codes_.order(code);
  const double* residuals = tree.residuals->data();
  // Each open node's samples side by side, still in ascending order; the leaves' behind them.
  std::array<int64_t, kMostOpen + 1> next{};
  for (size_t slot = 0; slot < tree.open.size(); ++slot)
    next[slot + 1] = next[slot] + tree.open[slot].size;
  const auto start = next;
  for (int64_t i = 0; i < rows; ++i) {
    const uint32_t sample = order[i];
    const auto at = static_cast<size_t>(next[tree.slot_of[sample]]++);
    scratch.values[at] = values[i];
    scratch.residuals[at] = residuals[sample];
  }
  for (size_t slot = 0; slot < tree.open.size(); ++slot) {
    const auto& open = tree.open[slot];
    const float* value = scratch.values.data() + start[slot];
    const double* residual = scratch.residuals.data() + start[slot];
    const auto size = static_cast<double>(open.size);
    Split best;
    double left = 0;  // sum of the residuals up to i
    for (int64_t i = 0; i + 1 < open.size; ++i) {
      left += residual[i];
      if (!(value[i + 1] > value[i] + kLeastGap)) continue;
      const auto num_left = static_cast<double>(i + 1);
      const double num_right = size - num_left;
      const double gain =
          square(num_right * left - num_left * (open.sum - left)) / (num_left * num_right);
      if (gain > best.gain) best = {gain, value[i], value[i + 1]};
    }
    found[slot] = best;
  }
}

// The code with the best split of a node, -1 where none can split it. To draw one of equals is the
// same as to visit the codes in a random order and to keep the first.
int64_t TreeGrower::choose_code(const Split* found, size_t slot, uint8_t node, int64_t stage,
                                int64_t place) const {
  double best = -1;
  std::vector<int64_t> equals;
  for (int64_t code = 0; code < codes_.columns(); ++code) {
    const double gain = found[static_cast<size_t>(code * kMostOpen) + slot].gain;
    if (gain < 0 || gain < best) continue;
    if (gain > best) equals.clear();
    best = gain;
    equals.push_back(code);
  }
  if (equals.empty()) return -1;
  if (equals.size() == 1) return equals[0];
  core::KeyedRandom random(options_.seed, core::Purpose::kTreeSplit, static_cast<uint64_t>(stage),
                           (options_.factor << kClassBits) | static_cast<uint64_t>(place), node);
  return equals[random.below(static_cast<uint32_t>(equals.size()))];
}

void TreeGrower::split_node(GrowingTree& tree, const GrowingTree::Open& open, int64_t code,
                            const Split& split) const {
  const auto left = static_cast<uint8_t>(tree.nodes.size());
  tree.nodes[open.node] = {code, threshold_between(split.low, split.high), left, 0};
  tree.nodes.resize(tree.nodes.size() + 2);
  const auto rows = static_cast<size_t>(codes_.rows());
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t sample = codes_.order(code)[i];
    if (tree.node_of[sample] == open.node)
      tree.node_of[sample] = static_cast<uint8_t>(left + (codes_.values(code)[i] > split.low));
  }
  // n Var - n_L Var_L - n_R Var_R, the fall of the variance, is the gain divided by n.
  tree.gains[static_cast<size_t>(code)] +=
      split.gain / static_cast<double>(open.size) / static_cast<double>(rows);
}

void TreeGrower::split_level(GrowingTree& tree, const Split* found, int64_t stage,
                             int64_t place) const {
  for (size_t slot = 0; slot < tree.open.size(); ++slot) {
    const auto& open = tree.open[slot];
    const int64_t code = choose_code(found, slot, open.node, stage, place);
    if (code < 0) continue;
    split_node(tree, open, code, found[static_cast<size_t>(code * kMostOpen) + slot]);
  }
  tree.open.clear();
}

}  // namespace ipirm::metrics
