// Tells resnet18, 34 and 50 of any width apart by their parameters.
#include "app/architecture.h"

#include <map>

#include "ipirm/core/error.h"

namespace ipirm::app {

model::ModelOptions infer_architecture(const checkpoint::StateDict& weights,
                                       const std::filesystem::path& source) {
  constexpr const char* kPrefix = "module.";
  constexpr int64_t kMostRows = 65536;  // of any layer of any width that is allowed
  std::map<std::string, torch::Tensor> by_name;
  for (const auto& [name, tensor] : weights) {
    by_name.emplace(name.rfind(kPrefix, 0) == 0 ? name.substr(7) : name, tensor);
  }
  const auto rows = [&](const char* name, int64_t dim) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second.dim() != dim) {
      throw core::UserError(core::cat(
          source.string(), ": holds no ", dim, "-dimensional '", name, "' among its ",
          by_name.size(), " tensors (first: ", by_name.empty() ? "none" : by_name.begin()->first,
          "); expected a model_E.pt as ipirm-train writes it"));
    }
    const int64_t count = found->second.size(0);
    if (count > kMostRows) {
      throw core::UserError(core::cat(source.string(), ": '", name, "' has ", count,
                                      " rows, expected at most ", kMostRows));
    }
    return static_cast<int>(count);
  };
  model::ModelOptions options;
  options.width = rows("f.0.weight", 4);
  if (!model::is_width(options.width)) {
    throw core::UserError(core::cat(source.string(), ": 'f.0.weight' has ", options.width,
                                    " rows, the width of the network; expected ", model::kWidths));
  }
  options.feature_dim = rows("g.3.weight", 2);
  // Bottleneck blocks have a third convolution; the first stage has 2 basic blocks in resnet18 and
  // 3 in resnet34.
  options.arch = by_name.count("f.3.0.conv3.weight") != 0   ? "resnet50"
                 : by_name.count("f.3.2.conv1.weight") != 0 ? "resnet34"
                                                            : "resnet18";
  // The network is made before its shapes are compared: a few bytes must not ask for gigabytes.
  constexpr const char* kLarge = "f.6.0.conv2.weight";  // its size grows with the width's square
  if (const int found = rows(kLarge, 4); found != 8 * options.width) {
    throw core::UserError(core::cat(source.string(), ": '", kLarge, "' has ", found,
                                    " rows, expected ", 8 * options.width,
                                    ", 8 times those of 'f.0.weight'; the file is damaged"));
  }
  return options;
}

}  // namespace ipirm::app
