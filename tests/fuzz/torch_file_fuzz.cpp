// Fuzz target: the bytes of a whole torch file.
#include "fuzz/torch_values.h"
#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::fuzz {
namespace {

void torch_file(Input input) {
  static MemoryFile file;
  file.set(input);
  checkpoint::StateDict tensors;
  reads_or_refuses([&] { tensors = checkpoint::read_torch_file(file.path()); });
  for (const auto& [name, tensor] : tensors) check_tensor(tensor);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(torch_file, ipirm::fuzz::torch_file)
