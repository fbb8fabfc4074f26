// Fuzz target: the bytes of a torch file in the format before PyTorch 1.6, and the names in it.
#include "fuzz/torch_values.h"
#include "ipirm/checkpoint/weight_names.h"

namespace ipirm::fuzz {
namespace {

void legacy_torch_file(Input input) {
  static MemoryFile file;
  file.set(input);
  checkpoint::TorchContent content;
  if (!reads_or_refuses([&] { content = checkpoint::read_torch_content(file.path()); })) return;
  for (const auto& [name, tensor] : content.tensors) check_tensor(tensor);
  checkpoint::NamedWeights weights;
  reads_or_refuses([&] { weights = checkpoint::name_weights(content, file.path()); });
  require(weights.tensors.size() <= content.tensors.size(), "weights out of nothing");
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(legacy_torch_file, ipirm::fuzz::legacy_torch_file)
