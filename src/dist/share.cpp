// Arithmetic of ranks and rows.
#include "ipirm/dist/share.h"

#include <algorithm>

#include "ipirm/core/error.h"

namespace ipirm::dist {

Shares::Shares(int64_t n, const Group& group, int64_t least)
    : n_(n), rank_(group.rank()), parts_(std::clamp<int64_t>(n / least, 1, group.size())) {}

int64_t Shares::first_of(int64_t rank) const {
  return n_ / parts_ * std::min(rank, parts_) + std::min(rank, n_ % parts_);
}

int64_t Shares::size_of(int64_t rank) const { return first_of(rank + 1) - first_of(rank); }

std::vector<int64_t> own_part(const std::vector<int64_t>& order, int64_t batch_size,
                              const Group& group, int64_t least) {
  if (group.is_alone()) return order;
  const auto size = static_cast<int64_t>(order.size());
  std::vector<int64_t> own;
  for (int64_t start = 0; start < size; start += batch_size) {
    const Shares shares(std::min(batch_size, size - start), group, least);
    const auto first = order.begin() + start + shares.first();
    own.insert(own.end(), first, first + shares.size());
  }
  return own;
}

void check_divides(int64_t batch_size, const Group& group) {
  const int64_t ranks = group.size();
  if (group.is_alone() || (batch_size % ranks == 0 && batch_size >= 2 * ranks)) return;
  const int64_t nearest = std::max<int64_t>(2, (batch_size + ranks / 2) / ranks) * ranks;
  throw core::UserError(core::cat("--batch_size ", batch_size, ": ", ranks,
                                  " processes share each batch, at least 2 images a process; the "
                                  "nearest that divides is --batch_size ",
                                  nearest));
}

}  // namespace ipirm::dist
