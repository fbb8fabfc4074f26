// The words of failures: the first line of an exception, and the nearest valid name for "did you
// mean" hints.
#include "ipirm/core/error.h"

#include <algorithm>
#include <numeric>

namespace ipirm::core {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

bool tells_of_device_memory(const std::exception& error) {
  const auto line = first_line(error);
  // The allocator; cuDNN, which tried every algorithm; cuBLAS and cuDNN at their start.
  for (const char* words : {"out of memory", "was unable to find an engine", "STATUS_ALLOC_FAILED"})
    if (line.find(words) != std::string::npos) return true;
  return false;
}

std::string first_line(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

std::string nearest_name(std::string_view word, const std::vector<std::string>& names) {
  std::string best;
  const bool has_letters = word.find_first_not_of('-') != std::string_view::npos;
  for (const auto& name : names) {
    if (has_letters && name.starts_with(word) && (best.empty() || name.size() < best.size()))
      best = name;
  }
  if (!best.empty()) return best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const auto& name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace ipirm::core
