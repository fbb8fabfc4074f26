// Compares each rank's facts with rank 0's and tells all of the first difference.
#include "ipirm/dist/check_alike.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

#include "ipirm/core/error.h"
#include "ipirm/dist/collect.h"

namespace ipirm::dist {
namespace {

constexpr int64_t kMessageBytes = 512;

// FNV-1a.
class Hash {
 public:
  void add(const char* bytes, size_t count) {
    for (size_t i = 0; i < count; ++i)
      value_ = (value_ ^ static_cast<unsigned char>(bytes[i])) * 1099511628211u;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 14695981039346656037u;
};

// The first line that only one of the texts has, of each.
std::string first_difference(const std::string& own, const std::string& first) {
  std::istringstream a(own), b(first);
  std::string x, y;
  for (;;) {
    const bool more_own = static_cast<bool>(std::getline(a, x));
    const bool more_first = static_cast<bool>(std::getline(b, y));
    if (!more_own && !more_first) return "";
    if (more_own && more_first && x == y) continue;
    return core::cat("'", more_own ? x : "", "', rank 0 '", more_first ? y : "", "'");
  }
}

Hash hash_of(const torch::Tensor& tensor) {
  const auto memory = tensor.detach().cpu().contiguous();
  Hash hash;
  hash.add(static_cast<const char*>(memory.const_data_ptr()), memory.nbytes());
  return hash;
}

std::string in_hexadecimal(const Hash& hash) {
  std::ostringstream text;
  text << std::hex << hash.value();
  return text.str();
}

std::string text_of(const torch::Tensor& bytes) {
  const auto* first = reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>());
  return {first, std::find(first, first + bytes.numel(), '\0')};
}

}  // namespace

void check_alike(Group& group, const Facts& facts) {
  if (group.is_alone()) return;
  NamedTensors own;
  for (const auto& [name, text] : facts) {
    auto bytes = torch::empty({static_cast<int64_t>(text.size())}, torch::kUInt8);
    std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
    own.emplace_back(name, bytes);
  }
  const auto first = from_first(group, own);
  std::string message;
  for (size_t i = 0; i < facts.size() && message.empty(); ++i) {
    const auto expected = i < first.size() ? text_of(first[i].second) : "";
    if (facts[i].second == expected) continue;
    message = core::cat("rank ", group.rank(), " has other ", facts[i].first,
                        " than rank 0: ", first_difference(facts[i].second, expected));
  }
  auto row = torch::zeros({1, kMessageBytes}, torch::kUInt8);
  std::memcpy(row.mutable_data_ptr(), message.data(),
              std::min<size_t>(message.size(), kMessageBytes - 1));
  const auto all = group.gather(row);
  for (int64_t rank = 0; rank < group.size(); ++rank) {
    if (const auto found = text_of(all[rank]); !found.empty())
      throw core::UserError(found + "; start every process with the same program, flags and data");
  }
}

void check_same(Group& group, const torch::Tensor& tensor, const std::string& what) {
  if (group.is_alone()) return;
  const auto value = static_cast<int64_t>(hash_of(tensor).value());
  const auto all = group.gather(torch::full({1}, value, torch::kInt64));
  const auto* hashes = all.const_data_ptr<int64_t>();
  const auto* other = std::find_if_not(hashes, hashes + all.numel(),
                                       [&](int64_t found) { return found == hashes[0]; });
  if (other == hashes + all.numel()) return;
  throw std::runtime_error(core::cat("rank ", other - hashes,
                                     " has computed other bits than rank 0 (", what,
                                     "): use processors and GPUs of one kind for all"));
}

std::string build_text() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  Hash hash;
  std::array<char, 1 << 16> buffer;
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0)
    hash.add(buffer.data(), static_cast<size_t>(file.gcount()));
  return in_hexadecimal(hash);
}

std::string content_text(const torch::Tensor& tensor) {
  return core::cat(tensor.scalar_type(), " ", tensor.sizes(), " ", in_hexadecimal(hash_of(tensor)));
}

}  // namespace ipirm::dist
