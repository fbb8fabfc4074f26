// Fuzz target: the bytes of an IDX file, as they are or packed into a sound gzip stream.
#include "data/idx.h"
#include "data/write_idx.h"
#include "fuzz/target.h"

namespace ipirm::fuzz {
namespace {

// The first byte says how many dimensions are expected and whether the others are packed first.
void idx(Input input) {
  if (input.empty()) return;
  static MemoryFile file;
  const int rank = (input[0] & 1) != 0 ? 3 : 1;
  const Input content = input.subspan(1);
  if ((input[0] & 2) != 0) {
    const auto packed = test_sets::gzip({content.begin(), content.end()});
    file.set(packed);
  } else {
    file.set(content);
  }
  data::IdxArray array;
  if (!reads_or_refuses([&] { array = data::read_idx(file.path(), rank); })) return;
  require(static_cast<int>(array.sizes.size()) == rank, "a wrong number of dimensions");
  int64_t count = 1;
  for (const int64_t size : array.sizes) {
    require(size >= 1, "a dimension of no size");
    count *= size;
  }
  require(static_cast<int64_t>(array.values.size()) == count, "a wrong number of values");
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(idx, ipirm::fuzz::idx)
