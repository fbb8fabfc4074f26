// Fuzz target: the pickle of a torch file that is sound otherwise, with two records of elements.
#include "checkpoint/archive.h"
#include "fuzz/torch_values.h"
#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::fuzz {
namespace {

void pickle(Input input) {
  static MemoryFile file;
  const std::string bytes = checkpoint::archive({{"data.pkl", {input.begin(), input.end()}},
                                                 {"data/0", std::string(16, '\1')},
                                                 {"data/1", std::string(24, '\1')}});
  file.set({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  checkpoint::StateDict tensors;
  reads_or_refuses([&] { tensors = checkpoint::read_torch_file(file.path()); });
  for (const auto& [name, tensor] : tensors) check_tensor(tensor);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(pickle, ipirm::fuzz::pickle)
