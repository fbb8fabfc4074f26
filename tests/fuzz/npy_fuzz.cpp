// Fuzz target: the bytes of an .npy file.
#include "fuzz/torch_values.h"
#include "ipirm/checkpoint/npy.h"

namespace ipirm::fuzz {
namespace {

void npy(Input input) {
  static MemoryFile file;
  file.set(input);
  at::Tensor array;
  if (!reads_or_refuses([&] { array = checkpoint::read_npy(file.path()); })) return;
  check_tensor(array);
  require(array.is_contiguous(), "not in C order");
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(npy, ipirm::fuzz::npy)
