// Takes prefixes off, leaves out what other tools add, and looks at every value.
#include "ipirm/checkpoint/weight_names.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/text.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;

// Children of the reference's Sequential, and what torchvision calls them.
constexpr std::pair<std::string_view, std::string_view> kStages[] = {
    {"f.0.", "conv1."},  {"f.1.", "bn1."},    {"f.3.", "layer1."},
    {"f.4.", "layer2."}, {"f.5.", "layer3."}, {"f.6.", "layer4."},
};
// DataParallel's, MoCo's (whose encoder_k is the slow copy), and those of libraries that put a head
// beside it.
constexpr std::string_view kPrefixes[] = {"module.", "encoder_q.", "backbone."};
constexpr std::string_view kCompiled = "_orig_mod.";  // torch.compile's, around any module
constexpr std::string_view kHead = "g.", kClassifier = "fc.";
constexpr const char* kCounters = " total_ops/total_params";  // thop's

bool begins_like_encoder(std::string_view name, Naming naming) {
  return std::any_of(std::begin(kStages), std::end(kStages), [&](const auto& stage) {
    return name.starts_with(naming == Naming::kReference ? stage.first : stage.second);
  });
}

bool is_of_network(std::string_view name, Naming naming) {
  return begins_like_encoder(name, naming) ||
         (naming == Naming::kReference && name.starts_with(kHead));
}

// What the profiler thop adds to every module, or to the outermost.
bool is_counter(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return last == "total_ops" || last == "total_params";
}

std::string without_compiled(std::string name) {
  for (size_t place = 0; (place = name.find(kCompiled, place)) != std::string::npos;) {
    if (place == 0 || name[place - 1] == '.') {
      name.erase(place, kCompiled.size());
    } else {
      ++place;
    }
  }
  return name;
}

bool is_prefix(std::string_view text) {
  while (!text.empty()) {
    const auto* known = std::find_if(std::begin(kPrefixes), std::end(kPrefixes),
                                     [&](auto prefix) { return text.starts_with(prefix); });
    if (known == std::end(kPrefixes)) return false;
    text.remove_prefix(known->size());
  }
  return true;
}

bool is_run_state(const TorchContent& content) {
  const auto has = [&](std::string_view name) {
    return std::any_of(content.tensors.begin(), content.tensors.end(),
                       [&](const auto& entry) { return entry.first == name; });
  };
  return has("run") && has("adam_first.0");
}

// Where the first convolution of an encoder stands.
struct Root {
  std::string prefix;
  Naming naming;
  auto operator<=>(const Root&) const = default;
};

class Namer {
 public:
  Namer(const TorchContent& content, const std::filesystem::path& source, RunState run_state);
  NamedWeights run();

 private:
  // An entry of the file; tensor is nullptr where it is none.
  struct Entry {
    std::string name;
    const torch::Tensor* tensor;
    const std::string* what;
  };

  [[noreturn]] void fail(const std::string& problem) const {
    throw UserError(cat(source_, ": ", problem));
  }
  void add(const std::string& name, const torch::Tensor* tensor, const std::string* what);
  Root find_root() const;
  void sort_in(const Entry& entry, const Root& root);
  void check_values(const std::string& name, const torch::Tensor& tensor) const;
  std::string assumed(const Root& root) const;

  // Entries that were left out, with the first of them.
  struct LeftOut {
    size_t count = 0;
    std::string first;
    void add(const std::string& name) {
      if (count++ == 0) first = name;
    }
  };

  const TorchContent& content_;
  std::string source_;
  bool of_run_state_ = false;
  std::vector<Entry> entries_;
  NamedWeights result_;
  LeftOut compiled_, counters_, classifier_, other_names_, no_tensors_;
};

Namer::Namer(const TorchContent& content, const std::filesystem::path& source, RunState run_state)
    : content_(content), source_(source.string()), of_run_state_(is_run_state(content)) {
  if (of_run_state_ && run_state == RunState::kRefuse)
    fail("is a run's whole state, expected weights; give a model_E.pt of the run");
  for (const auto& [name, tensor] : content.tensors) {
    if (!of_run_state_ || name.starts_with(kPrefixes[0])) add(name, &tensor, nullptr);
  }
  for (const auto& [name, what] : content.others) add(name, nullptr, &what);
}

void Namer::add(const std::string& name, const torch::Tensor* tensor, const std::string* what) {
  constexpr size_t kLongestName = 4096;
  if (name.size() > kLongestName)
    fail(cat("a name has ", name.size(), " bytes, expected at most ", kLongestName));
  if (is_counter(name)) return counters_.add(name);
  entries_.push_back({without_compiled(name), tensor, what});
  if (entries_.back().name.size() != name.size()) compiled_.add(name);
}

Root Namer::find_root() const {
  std::set<Root> roots;
  const auto look = [&](const std::string& name, std::string_view first, Naming naming) {
    if (!name.ends_with(first)) return;
    const std::string prefix = name.substr(0, name.size() - first.size());
    if (is_prefix(prefix)) roots.insert({prefix, naming});
  };
  for (const Entry& entry : entries_) {
    look(entry.name, "f.0.weight", Naming::kReference);
    look(entry.name, "conv1.weight", Naming::kTorchvision);
  }
  if (roots.empty()) {
    fail(
        cat("holds no encoder, neither 'f.0.weight' (a model_E.pt) nor 'conv1.weight' "
            "(torchvision's ResNets) among its ",
            entries_.size(),
            " names (first: ", entries_.empty() ? "none" : printable(entries_.front().name), ")"));
  }
  const auto shown = [](const Root& root) {
    return cat("'", root.prefix, root.naming == Naming::kReference ? "f.0.weight" : "conv1.weight",
               "'");
  };
  if (roots.size() > 1) {
    fail(cat("holds more than one encoder (", shown(*roots.begin()), ", ", shown(*roots.rbegin()),
             "), expected one; save the one that is meant alone"));
  }
  return *roots.begin();
}

// Takes what belongs to the network, and counts the rest.
void Namer::sort_in(const Entry& entry, const Root& root) {
  if (!entry.name.starts_with(root.prefix)) {
    if (is_of_network(entry.name, root.naming)) {
      fail(cat(printable(entry.name), " lacks the '", root.prefix,
               "' that other names of the encoder begin with; expected all with it or none"));
    }
    return entry.tensor == nullptr ? no_tensors_.add(entry.name) : other_names_.add(entry.name);
  }
  const std::string name = entry.name.substr(root.prefix.size());
  if (entry.tensor == nullptr) {
    if (is_of_network(name, root.naming)) {
      fail(cat(printable(entry.name), " is ", *entry.what,
               ", expected a tensor; load the file in Python and torch.save plain tensors, if you "
               "trust it"));
    }
    return no_tensors_.add(entry.name);
  }
  if (name.starts_with(kClassifier)) return classifier_.add(entry.name);
  result_.has_head =
      result_.has_head || (root.naming == Naming::kReference && name.starts_with(kHead));
  result_.tensors.emplace_back(name, *entry.tensor);
}

// Training would end with a loss that is not finite, which looks like the fault of its settings.
void Namer::check_values(const std::string& name, const torch::Tensor& tensor) const {
  const torch::Tensor values = tensor.to(torch::kFloat32);
  torch::Tensor bad = at::isfinite(values).logical_not_();
  if (name.ends_with("running_var")) bad.logical_or_(values.lt(0));  // its root is taken
  if (!bad.any().item<bool>()) return;
  int64_t rest = bad.flatten().to(torch::kUInt8).argmax().item<int64_t>();  // the first
  const auto value = values.flatten()[rest].item<float>();
  std::vector<int64_t> place(static_cast<size_t>(tensor.dim()));
  for (int64_t d = tensor.dim(); d-- > 0; rest /= tensor.size(d))
    place[static_cast<size_t>(d)] = rest % tensor.size(d);
  fail(cat(printable(name), " is ",
           std::isnan(value)   ? "NaN"
           : std::isinf(value) ? "infinite in float32"
                               : "negative",
           " at ", at::IntArrayRef(place), " (of ", tensor.sizes(), ", from 0; ",
           bad.sum().item<int64_t>(), " such values in it), expected ",
           name.ends_with("running_var") ? "a variance" : "finite numbers",
           "; take the weights of an earlier epoch"));
}

std::string Namer::assumed(const Root& root) const {
  std::vector<std::string> words;
  if (of_run_state_) words.emplace_back("took the weights of a run's whole state");
  if (!content_.container.empty()) words.push_back(cat("read '", content_.container, "'"));
  if (compiled_.count > 0) words.push_back(cat("stripped '", kCompiled, "'"));
  if (!root.prefix.empty()) words.push_back(cat("stripped '", root.prefix, "'"));
  if (counters_.count > 0) words.push_back(cat("ignored ", counters_.count, kCounters));
  if (root.naming == Naming::kTorchvision) words.emplace_back("names are torchvision's");
  if (classifier_.count > 0) words.push_back(cat("ignored ", classifier_.count, " of 'fc'"));
  if (other_names_.count > 0) {
    words.push_back(cat("left out ", other_names_.count, " without '", root.prefix, "' (",
                        printable(other_names_.first), other_names_.count > 1 ? " ...)" : ")"));
  }
  if (no_tensors_.count > 0) {
    words.push_back(cat("left out ", no_tensors_.count, " that hold no tensor (",
                        printable(no_tensors_.first), no_tensors_.count > 1 ? " ...)" : ")"));
  }
  if (!result_.has_head) words.emplace_back("no projection head in it");
  if (words.size() == 1 && root.prefix == kPrefixes[0]) return "";  // as ipirm-train writes it
  std::string text;
  for (const std::string& part : words) text += cat(text.empty() ? "" : ", ", part);
  return text;
}

NamedWeights Namer::run() {
  const Root root = find_root();
  result_.naming = root.naming;
  for (const Entry& entry : entries_) sort_in(entry, root);
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : result_.tensors) {
    if (!names.insert(name).second) {
      fail(cat("has ", printable(name), " both with and without '", kCompiled, "'"));
    }
    if (is_of_network(name, root.naming)) check_values(name, tensor);
  }
  result_.assumed = assumed(root);
  return std::move(result_);
}

}  // namespace

std::string torchvision_name(const std::string& name) {
  for (const auto& [ours, theirs] : kStages) {
    if (name.starts_with(ours)) return cat(theirs, name.substr(ours.size()));
  }
  return "";
}

std::string NamedWeights::name_of(const std::string& name) const {
  return naming == Naming::kReference ? name : torchvision_name(name);
}

NamedWeights name_weights(const TorchContent& content, const std::filesystem::path& source,
                          RunState run_state) {
  return Namer(content, source, run_state).run();
}

}  // namespace ipirm::checkpoint
