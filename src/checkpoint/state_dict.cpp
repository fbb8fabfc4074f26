// Carries weights between a module and a StateDict, by name.
#include <ATen/ATen.h>
#include <torch/nn/module.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/text.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;

void collect(const torch::nn::Module& module, const std::string& prefix, StateDict& result) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    result.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    result.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& child : module.named_children())
    collect(*child.value(), prefix + child.key() + ".", result);
}

std::string_view bare(std::string_view name) {
  constexpr std::string_view kPrefix = "module.";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

// "; 7 names are missing (a, b, c, d, e ...)", or "" if there are none.
std::string listed(const std::vector<std::string>& names, const char* singular,
                   const char* plural) {
  constexpr size_t kShown = 5;
  if (names.empty()) return "";
  std::string text = cat("; ", names.size(), " ", names.size() == 1 ? singular : plural, " (");
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += cat(i == 0 ? "" : ", ", names[i]);
  return text + (names.size() > kShown ? " ...)" : ")");
}

}  // namespace

StateDict state_dict(const torch::nn::Module& module, const std::string& prefix) {
  StateDict result;
  collect(module, prefix, result);
  return result;
}

void load_state_dict(torch::nn::Module& module, const StateDict& tensors,
                     const std::filesystem::path& source) {
  copy_by_name(state_dict(module, ""), tensors, source);
}

void copy_by_name(const StateDict& into, const StateDict& tensors,
                  const std::filesystem::path& source) {
  std::unordered_map<std::string_view, const torch::Tensor*> from;
  for (const auto& [name, tensor] : tensors) {
    if (!from.emplace(bare(name), &tensor).second) {
      throw UserError(cat(source.string(), ": has ", printable(bare(name)),
                          " both with and without 'module.'"));
    }
  }

  std::vector<std::pair<torch::Tensor, const torch::Tensor*>> copies;
  std::vector<std::string> missing, unexpected, misshapen;
  for (const auto& [full_name, target] : into) {
    const auto found = from.find(bare(full_name));
    if (found == from.end()) {
      if (!full_name.ends_with("num_batches_tracked"))
        missing.push_back(full_name);  // unused by the method
      continue;
    }
    const torch::Tensor* tensor = found->second;
    from.erase(found);
    if (tensor->sizes() == target.sizes()) {
      copies.emplace_back(target, tensor);
    } else {
      misshapen.push_back(cat(full_name, " is ", tensor->sizes(), ", expected ", target.sizes()));
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (from.contains(bare(name))) unexpected.push_back(printable(name));
  }

  const std::string problems = listed(missing, "name is missing", "names are missing") +
                               listed(unexpected, "name is unexpected", "names are unexpected") +
                               listed(misshapen, "shape differs", "shapes differ");
  if (!problems.empty()) {
    throw UserError(cat(source.string(), ": does not fit the model", problems,
                        "; give the encoder, width and feature_dim that it was saved with"));
  }
  const at::NoGradGuard no_grad;
  for (auto& [target, tensor] : copies) target.copy_(*tensor);
}

}  // namespace ipirm::checkpoint
