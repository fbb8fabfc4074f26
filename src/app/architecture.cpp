// Tells ResNets apart by their blocks and the shapes of two convolutions.
#include "app/architecture.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "ipirm/core/error.h"

namespace ipirm::app {
namespace {

using core::cat;
using core::UserError;

// Depths of the same family that the network cannot have, for which files often are.
constexpr struct {
  const char* name;
  int blocks[4];
} kForeignDepths[] = {{"resnet152", {3, 8, 36, 3}}};

class Inference {
 public:
  Inference(const checkpoint::NamedWeights& weights, const std::filesystem::path& source)
      : weights_(weights), source_(source.string()) {
    for (const auto& [name, tensor] : weights.tensors) by_name_.emplace(name, tensor);
  }

  // Of the first convolution: its rows are the width.
  int width() const {
    const auto stem = find("f.0.weight", 4);
    const std::string name = weights_.name_of("f.0.weight");
    if (stem.size(2) != 3 || stem.size(3) != 3) {
      fail(cat("'", name, "' is ", stem.size(2), "x", stem.size(3),
               stem.size(2) == 7 ? ", the first convolution of a ResNet for ImageNet" : "",
               "; this network begins with 3x3, for small images, and cannot take it"));
    }
    if (stem.size(0) > kMostRows)
      fail(cat("'", name, "' has ", stem.size(0), " rows, expected at most ", kMostRows));
    const auto width = static_cast<int>(stem.size(0));
    if (!model::is_width(width)) {
      fail(cat("'", name, "' has ", width, " rows, the width of the network; expected ",
               model::kWidths));
    }
    // The network is made before all shapes are compared: a few bytes must not ask for gigabytes.
    // This convolution's size grows with the width's square.
    const auto large = find("f.6.0.conv2.weight", 4);
    const std::vector<int64_t> expected = {8 * width, 8 * width, 3, 3};
    if (large.sizes() != at::IntArrayRef(expected)) {
      fail(cat("'", weights_.name_of("f.6.0.conv2.weight"), "' is ", large.sizes(), ", expected ",
               at::IntArrayRef(expected), " behind the ", width, " rows of '", name,
               "'; this is a wide ResNet, a ResNeXt or a damaged file"));
    }
    return width;
  }

  model::Arch arch() const {
    int blocks[4] = {};
    for (size_t stage = 0; stage < std::size(blocks); ++stage) {
      while (has_block(cat("f.", stage + 3, ".", blocks[stage], "."))) ++blocks[stage];
    }
    const bool bottleneck = by_name_.contains(weights_.name_of("f.3.0.conv3.weight"));
    std::string expected;
    for (const auto& known : model::kArchitectures) {
      if (std::ranges::equal(known.blocks, blocks) && known.bottleneck == bottleneck)
        return known.kind;
      expected += cat(expected.empty() ? "" : ", ", known.name);
    }
    std::string found = "a network";
    for (const auto& depth : kForeignDepths) {
      if (bottleneck && std::ranges::equal(depth.blocks, blocks)) found = cat("a ", depth.name);
    }
    fail(cat("holds ", found, " of ", blocks[0], ", ", blocks[1], ", ", blocks[2], " and ",
             blocks[3], bottleneck ? " bottleneck" : " basic", " blocks, expected one of ",
             expected));
  }

  int feature_dim() const {
    const int64_t rows = find("g.3.weight", 2).size(0);
    if (rows > kMostRows)
      fail(cat("'g.3.weight' has ", rows, " rows, expected at most ", kMostRows));
    return static_cast<int>(rows);
  }

 private:
  static constexpr int64_t kMostRows = 65536;  // of any layer of any width that is allowed

  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(cat(source_, ": ", problem));
  }

  torch::Tensor find(const char* own_name, int64_t dim) const {
    const std::string name = weights_.name_of(own_name);
    const auto found = by_name_.find(name);
    if (found == by_name_.end() || found->second.dim() != dim) {
      fail(cat("holds no ", dim, "-dimensional '", name, "' among its ", by_name_.size(),
               " tensors (first: ", by_name_.empty() ? "none" : by_name_.begin()->first,
               "); expected a model_E.pt as ipirm-train writes it, or a ResNet under torchvision's "
               "names"));
    }
    return found->second;
  }

  bool has_block(const std::string& own_prefix) const {
    const std::string prefix = weights_.name_of(own_prefix);
    const auto next = by_name_.lower_bound(prefix);
    return next != by_name_.end() && next->first.starts_with(prefix);
  }

  const checkpoint::NamedWeights& weights_;
  std::string source_;
  std::map<std::string, torch::Tensor> by_name_;
};

}  // namespace

model::ModelOptions infer_architecture(const checkpoint::NamedWeights& weights,
                                       const std::filesystem::path& source) {
  const Inference inference(weights, source);
  model::ModelOptions options;
  options.width = inference.width();
  options.arch = inference.arch();
  if (weights.has_head) options.feature_dim = inference.feature_dim();
  return options;
}

}  // namespace ipirm::app
