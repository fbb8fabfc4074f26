// Reads a file, names its tensors, copies them into a network.
#include "app/weights.h"

#include "app/architecture.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::app {

using core::cat;

checkpoint::NamedWeights read_weights(const std::filesystem::path& source,
                                      const std::string& without_head,
                                      checkpoint::RunState run_state) {
  auto weights =
      checkpoint::name_weights(checkpoint::read_torch_content(source), source, run_state);
  if (!weights.assumed.empty()) {
    core::log_info(
        cat(source.string(), ": ", weights.assumed, weights.has_head ? "" : without_head));
  }
  return weights;
}

void load_weights(model::Model& model, const checkpoint::NamedWeights& weights,
                  const std::filesystem::path& source) {
  checkpoint::StateDict into;
  for (const auto& [name, tensor] : checkpoint::state_dict(*model, /*prefix=*/"")) {
    if (weights.has_head || !checkpoint::torchvision_name(name).empty())
      into.emplace_back(weights.name_of(name), tensor);
  }
  checkpoint::copy_by_name(into, weights.tensors, source);
}

model::Model make_model(const model::ModelOptions& options, const checkpoint::NamedWeights& weights,
                        const std::filesystem::path& source, torch::Device device) {
  model::Model model(options);
  load_weights(model, weights, source);
  model->to(device);
  model::use_channels_last(*model);
  return model;
}

void load_pretrained(model::Model& model, const std::filesystem::path& source) {
  const auto weights = read_weights(source, ": the head keeps its fresh initialisation");
  const auto found = infer_architecture(weights, source);
  const auto& own = model->options();
  if (found.arch != own.arch || found.width != own.width) {
    throw core::UserError(cat("--pretrain_model: ", source.string(), " holds a ",
                              core::name_of(found.arch), " of width ", found.width,
                              ", but the network is a ", core::name_of(own.arch), " of width ",
                              own.width, "; give --arch ", core::name_of(found.arch), " --width ",
                              found.width, ", or name another file"));
  }
  load_weights(model, weights, source);
}

}  // namespace ipirm::app
