// Grows the regression trees of one stage of boosting, level by level, all at once.
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/metrics/boosted_trees.h"

namespace ipirm::metrics {

constexpr int kDepth = 3;
constexpr int kMostNodes = (2 << kDepth) - 1;
constexpr int kMostOpen = 1 << (kDepth - 1);  // nodes of one level that may be split
constexpr int kLanes = 4;                     // codes that are walked through side by side

// A tree under way: which node each sample is in, and which nodes the next level splits.
struct GrowingTree {
  const std::vector<double>* residuals = nullptr;  // what it is to predict, n
  Tree nodes;
  std::vector<uint8_t> node_of;  // of each sample
  std::vector<double> gains;     // of each code: fall of the variance by its splits, per sample

  struct Open {
    uint8_t node = 0;
    int64_t size = 0;
    double sum = 0;  // of the residuals
  };
  std::vector<Open> open;
  // Of each sample: the place of its node among the open ones, open.size() where it is a leaf.
  std::vector<uint8_t> slot_of;
};

class TreeGrower {
 public:
  TreeGrower(const SortedCodes& codes, const BoostOptions& options, const Workers& workers);

  // A tree for each of the residuals (n each), whose leaves have no values yet. stage, and the
  // tree's place: the key of draws.
  std::vector<GrowingTree> grow(const std::vector<std::vector<double>>& residuals, int64_t stage);

 private:
  // The best place to split one node by one code.
  struct Split {
    double gain = -1;
    float low = 0, high = 0;  // the neighbours it lies between
  };
  // Samples in the order of their nodes, and in each node of kLanes codes' values; the numbers of
  // these codes side by side.
  struct Scratch {
    std::vector<float> values;
    std::vector<double> residuals;
  };
  static void search_node(const GrowingTree::Open& open, const float* values,
                          const double* residuals, Split (&best)[kLanes]);

  void gather(const GrowingTree& tree, const int64_t (&codes)[kLanes], Scratch& scratch) const;
  void search_codes(const GrowingTree& tree, int64_t first_code, Scratch& scratch,
                    Split* found) const;
  int64_t choose_code(const Split* found, size_t slot, uint8_t node, int64_t stage,
                      int64_t place) const;
  void split_node(GrowingTree& tree, const GrowingTree::Open& open, int64_t code,
                  const Split& split) const;
  void split_level(GrowingTree& tree, const Split* found, int64_t stage, int64_t place) const;
  void open_nodes_from(GrowingTree& tree, size_t first_node) const;
  // Where the splits of a tree's open nodes by a code are found, one a slot.
  Split* splits_of(int64_t tree, int64_t code) {
    return splits_.data() + (tree * codes_.columns() + code) * kMostOpen;
  }

  const SortedCodes& codes_;
  BoostOptions options_;
  const Workers& workers_;
  std::vector<Scratch> scratch_;  // one a worker
  std::vector<Split> splits_;
};

}  // namespace ipirm::metrics
