// Fuzz target: sizes and labels of CIFAR-10's files.
#include "data/binary_sets.h"
#include "fuzz/data_files.h"

namespace ipirm::fuzz {
namespace {

void cifar10(Input input) {
  static const ScratchFolder root;
  const auto folder = root.path() / "cifar-10-batches-bin";
  std::filesystem::create_directory(folder);
  Bytes in(input);
  constexpr off_t kRecord = 1 + 3 * 32 * 32;
  for (int i = 1; i <= 5; ++i)
    write_records(folder / core::cat("data_batch_", i, ".bin"), kRecord, 1, in);
  write_records(folder / "test_batch.bin", kRecord, 1, in);
  data::DataSets sets;
  if (reads_or_refuses([&] { sets = data::open_cifar10(root.path()); })) check_sets(sets, 5 * 7);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(cifar10, ipirm::fuzz::cifar10)
