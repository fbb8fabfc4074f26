// Reads a model, gives its encoder's tensors torchvision's names, writes them.
#include "ipirm/app/export_app.h"

#include <filesystem>
#include <utility>

#include "app/architecture.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;

// Children of the reference's Sequential, and what torchvision calls them.
constexpr std::pair<const char*, const char*> kNames[] = {
    {"f.0.", "conv1."},  {"f.1.", "bn1."},    {"f.3.", "layer1."},
    {"f.4.", "layer2."}, {"f.5.", "layer3."}, {"f.6.", "layer4."},
};

checkpoint::StateDict torchvision_state_dict(const model::Model& model) {
  checkpoint::StateDict result;
  for (const auto& [name, tensor] : checkpoint::state_dict(*model, /*prefix=*/"")) {
    for (const auto& [ours, theirs] : kNames) {
      const std::string prefix = ours;
      if (name.starts_with(prefix))
        result.emplace_back(theirs + name.substr(prefix.size()), tensor);
    }
  }
  return result;
}

void check_out(const config::ExportConfig& config) {
  std::error_code none;  // what cannot be looked at counts as missing, and fails below
  const fs::path out = config.out;
  if (!fs::exists(out, none)) return;
  if (!fs::is_regular_file(out, none))
    throw core::UserError(cat(config.out, ": is no regular file; name another by --out"));
  if (fs::equivalent(out, config.model_path, none))
    throw core::UserError(cat("--out: ", config.out, " is the model itself; name another file"));
  if (!config.overwrite) {
    throw core::UserError(cat(config.out,
                              ": exists already; replace it by --overwrite, or name "
                              "another file by --out"));
  }
}

}  // namespace

int run_export(const config::ExportConfig& config) {
  check_out(config);
  const fs::path source = config.model_path;
  const auto weights = checkpoint::read_torch_file(source);
  const auto options = infer_architecture(weights, source);
  model::Model model(options);
  checkpoint::load_state_dict(*model, weights, source);
  const auto tensors = torchvision_state_dict(model);
  checkpoint::write_torch_file(config.out, tensors);
  core::log_info(cat(config.out, "  ", options.arch, " of width ", options.width, ", ",
                     tensors.size(), " tensors under torchvision's names"));
  return kExitOk;
}

}  // namespace ipirm::app
