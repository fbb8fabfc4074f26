// Reads a model, gives its encoder's tensors torchvision's names, writes them.
#include "ipirm/app/export_app.h"

#include <filesystem>

#include "app/architecture.h"
#include "app/outputs.h"
#include "app/weights.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;

checkpoint::StateDict torchvision_state_dict(const model::Model& model) {
  checkpoint::StateDict result;
  for (const auto& [name, tensor] : checkpoint::state_dict(*model, /*prefix=*/"")) {
    const std::string theirs = checkpoint::torchvision_name(name);
    if (!theirs.empty()) result.emplace_back(theirs, tensor);
  }
  return result;
}

}  // namespace

int run_export(const config::ExportConfig& config) {
  check_outputs({config.out}, {config.model_path}, "the model itself", config.overwrite);
  const fs::path source = config.model_path;
  const auto weights = read_weights(source);
  const auto options = infer_architecture(weights, source);
  model::Model model(options);
  load_weights(model, weights, source);
  const auto tensors = torchvision_state_dict(model);
  checkpoint::write_torch_file(config.out, tensors);
  core::log_info(cat(config.out, "  ", core::name_of(options.arch), " of width ", options.width,
                     ", ", tensors.size(), " tensors under torchvision's names"));
  return kExitOk;
}

}  // namespace ipirm::app
