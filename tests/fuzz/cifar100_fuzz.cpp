// Fuzz target: sizes and labels of CIFAR-100's files.
#include "data/binary_sets.h"
#include "fuzz/data_files.h"

namespace ipirm::fuzz {
namespace {

void cifar100(Input input) {
  static const ScratchFolder root;
  const auto folder = root.path() / "cifar-100-binary";
  std::filesystem::create_directory(folder);
  Bytes in(input);
  constexpr off_t kRecord = 2 + 3 * 32 * 32;
  write_records(folder / "train.bin", kRecord, 2, in);
  write_records(folder / "test.bin", kRecord, 2, in);
  data::DataSets sets;
  if (reads_or_refuses([&] { sets = data::open_cifar100(root.path()); })) check_sets(sets, 7);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(cifar100, ipirm::fuzz::cifar100)
