// Writes what a finished linear evaluation leaves.
#include "app/linear_results.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <system_error>

#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/text.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPredictions = "predictions.csv";

// linear_100.pt, and no linear_state.pt.
bool holds_classifiers(const std::string& name) {
  const std::string before = "linear_", after = ".pt";
  if (!name.starts_with(before) || !name.ends_with(after)) return false;
  if (name.size() <= before.size() + after.size()) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(before.size()),
                     name.end() - static_cast<std::ptrdiff_t>(after.size()),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string heading(const data::ImageSet& test, bool with_paths) {
  std::string text = with_paths ? "index,path" : "index";
  for (const data::Factor& factor : test.factors()) {
    for (const char* what : {"", "_predicted", "_probability"})
      text += ',' + core::csv_field(factor.name + what);
  }
  return text + '\n';
}

}  // namespace

void write_classifiers(const fs::path& folder, const std::vector<data::Factor>& factors,
                       const eval::LinearProbe& probe, const LinearState& state) {
  const fs::path file = folder / core::cat("linear_", state.epoch, ".pt");
  if (fs::exists(file)) return;
  checkpoint::StateDict tensors;
  for (size_t f = 0; f < factors.size(); ++f) {
    for (const auto& [name, tensor] : probe.classifier(f, state.last[f].head))
      tensors.emplace_back(f == 0 ? name : core::cat(factors[f].name, ".", name), tensor);
  }
  checkpoint::write_torch_file(file, tensors);
}

void write_predictions(const fs::path& folder, const data::ImageSet& test,
                       const std::vector<eval::Predictions>& predictions) {
  const bool with_paths = !test.name(0).empty();
  core::write_atomically(folder / kPredictions, [&](core::FileWriter& file) {
    std::string line = heading(test, with_paths);
    for (int64_t i = 0; i < test.size(); ++i) {
      file.write(line.data(), line.size());
      line = std::to_string(i);
      if (with_paths) line += ',' + core::csv_field(test.name(i));
      for (size_t f = 0; f < predictions.size(); ++f) {
        const data::Factor& factor = test.factors()[f];
        const int64_t found = predictions[f].value[i].item<int64_t>();
        const double probability = predictions[f].probability[i].item<double>();
        line += ',' + core::csv_field(factor.name_of(factor.values[static_cast<size_t>(i)])) + ',' +
                core::csv_field(factor.name_of(found)) + ',' + core::with_digits(probability, 6);
      }
      line += '\n';
    }
    file.write(line.data(), line.size());
  });
}

bool holds_predictions(const fs::path& folder) { return fs::exists(folder / kPredictions); }

void remove_results(const fs::path& folder) {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == kPredictions || holds_classifiers(name)) stale.push_back(entry.path());
  }
  for (const fs::path& file : stale) {
    std::error_code error;
    fs::remove(file, error);
    if (error)
      throw core::WriteError(core::cat(file.string(), ": cannot be removed: ", error.message()));
  }
}

std::string summary(const eval::LinearOptions& options, const eval::LinearEpoch& epoch) {
  const auto score = [](const char* name, double percent) {
    return std::isnan(percent) ? "" : core::cat(name, " ", core::with_digits(percent, 2), " ");
  };
  std::string text = score("test_acc@1", epoch.test_top1) + score("test_acc@5", epoch.test_top5) +
                     score("class_acc@1", epoch.class_top1) +
                     score("held_out_acc@1", epoch.held_top1) + core::cat("(epoch ", epoch.epoch);
  if (options.num_heads() > 1) {
    const bool has_lr = options.solver == eval::LinearSolver::kAdam;
    text += has_lr ? core::cat(", --lr ", options.lr_of(epoch.head)) : ",";
    text += core::cat(" --weight_decay ", options.weight_decay_of(epoch.head));
  }
  return text + ")";
}

}  // namespace ipirm::app
