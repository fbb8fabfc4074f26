// Fuzz target: sizes and labels of STL-10's files.
#include "data/binary_sets.h"
#include "fuzz/data_files.h"

namespace ipirm::fuzz {
namespace {

void stl(Input input) {
  static const ScratchFolder root;
  const auto folder = root.path() / "stl10_binary";
  std::filesystem::create_directory(folder);
  Bytes in(input);
  constexpr off_t kImage = 3 * 96 * 96;
  for (const char* name : {"train_X.bin", "unlabeled_X.bin", "test_X.bin"})
    write_records(folder / name, kImage, 0, in);
  for (const char* name : {"train_y.bin", "test_y.bin"}) write_records(folder / name, 1, 1, in);
  data::DataSets sets;
  if (reads_or_refuses([&] { sets = data::open_stl(root.path()); })) check_sets(sets, 2 * 7);
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(stl, ipirm::fuzz::stl)
