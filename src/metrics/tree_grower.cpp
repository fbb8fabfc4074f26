// The best splits of all open nodes by a code are found in one walk over its sorted samples.
#include "metrics/tree_grower.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ipirm/core/keyed_random.h"

namespace ipirm::metrics {
namespace {

constexpr double kLeastVariance = 2.220446049250313e-16;  // below it a node is a leaf
constexpr float kLeastGap = 1e-7f;  // neighbours that are no farther apart are not split
constexpr double kNearlyOne = 1 - 1e-12;
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
    scratch.values.resize(static_cast<size_t>(codes.rows() * kLanes));
    scratch.residuals.resize(static_cast<size_t>(codes.rows() * kLanes));
  }
}

std::vector<GrowingTree> TreeGrower::grow(const std::vector<std::vector<double>>& residuals,
                                          int64_t stage) {
  const auto num_trees = static_cast<int64_t>(residuals.size());
  const auto num_codes = codes_.columns(), groups = (num_codes + kLanes - 1) / kLanes;
  splits_.resize(static_cast<size_t>(num_trees * num_codes * kMostOpen));
  std::vector<GrowingTree> trees(residuals.size());
  const auto tree_at = [&](int64_t t) -> GrowingTree& { return trees[static_cast<size_t>(t)]; };
  workers_.each(
      num_trees,
      [&](int64_t t, int) {
        auto& tree = tree_at(t);
        tree.residuals = &residuals[static_cast<size_t>(t)];
        tree.nodes.resize(1);
        tree.node_of.assign(static_cast<size_t>(codes_.rows()), 0);
        tree.gains.assign(static_cast<size_t>(num_codes), 0.0);
        open_nodes_from(tree, 0);
      },
      codes_.rows());
  for (int level = 0; level < kDepth; ++level) {
    workers_.each(
        num_trees * groups,
        [&](int64_t piece, int worker) {
          const int64_t t = piece / groups, code = piece % groups * kLanes;
          search_codes(tree_at(t), code, scratch_[static_cast<size_t>(worker)], splits_of(t, code));
        },
        codes_.rows() * kLanes);
    workers_.each(
        num_trees,
        [&](int64_t t, int) {
          const size_t first_child = tree_at(t).nodes.size();
          split_level(tree_at(t), splits_of(t, 0), stage, t);
          if (level + 1 < kDepth) open_nodes_from(tree_at(t), first_child);
        },
        codes_.rows());
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

// Puts each open node's samples side by side, still in ascending order, the leaves' behind them.
void TreeGrower::gather(const GrowingTree& tree, const int64_t (&codes)[kLanes],
                        Scratch& scratch) const {
  int64_t next[kLanes][kMostOpen + 1] = {};
  const float* values[kLanes];
  const uint32_t* orders[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    values[lane] = codes_.values(codes[lane]);
    orders[lane] = codes_.order(codes[lane]);
    for (size_t slot = 0; slot < tree.open.size(); ++slot)
      next[lane][slot + 1] = next[lane][slot] + tree.open[slot].size;
  }
  const uint8_t* slot_of = tree.slot_of.data();
  const double* residuals = tree.residuals->data();
  for (int64_t i = 0; i < codes_.rows(); ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const uint32_t sample = orders[lane][i];
      const auto at = static_cast<size_t>(next[lane][slot_of[sample]]++ * kLanes + lane);
      scratch.values[at] = values[lane][i];
      scratch.residuals[at] = residuals[sample];
    }
  }
}

// The best split of one node by each lane's code.
void TreeGrower::search_node(const GrowingTree::Open& open, const float* values,
                             const double* residuals, Split (&best)[kLanes]) {
  const auto size = static_cast<double>(open.size);
  double left[kLanes] = {};  // sums of the residuals up to i
  double bar[kLanes];        // a little less than the best gain: what is below needs no division
  std::fill(bar, bar + kLanes, -1.0);
  for (int64_t i = 0; i + 1 < open.size; ++i, values += kLanes, residuals += kLanes) {
    const auto num_left = static_cast<double>(i + 1);
    const double num_right = size - num_left, product = num_left * num_right;
    double squares[kLanes];
    bool above = false;
    for (int lane = 0; lane < kLanes; ++lane) {
      left[lane] += residuals[lane];
      squares[lane] = square(num_right * left[lane] - num_left * (open.sum - left[lane]));
      above |= squares[lane] > bar[lane] * product;
    }
    if (!above) continue;
    for (int lane = 0; lane < kLanes; ++lane) {
      const float low = values[lane], high = values[lane + kLanes];
      if (!(high > low + kLeastGap)) continue;
      const double gain = squares[lane] / product;
      if (gain <= best[lane].gain) continue;
      best[lane] = {gain, low, high};
      bar[lane] = gain * kNearlyOne;
    }
  }
}

// found: a split for each open node, code after code.
void TreeGrower::search_codes(const GrowingTree& tree, int64_t first_code, Scratch& scratch,
                              Split* found) const {
  int64_t codes[kLanes];  // behind the last code that one again
  for (int lane = 0; lane < kLanes; ++lane)
    codes[lane] = std::min(first_code + lane, codes_.columns() - 1);
  gather(tree, codes, scratch);
  size_t start = 0;
  for (size_t slot = 0; slot < tree.open.size(); ++slot) {
    Split best[kLanes];
    search_node(tree.open[slot], &scratch.values[start], &scratch.residuals[start], best);
    start += static_cast<size_t>(tree.open[slot].size * kLanes);
    for (int lane = 0; first_code + lane <= codes[kLanes - 1] && lane < kLanes; ++lane)
      found[static_cast<size_t>(lane * kMostOpen) + slot] = best[lane];
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
