// Picks images out of a set, with what is known about them.
#include "ipirm/data/subset.h"

#include <algorithm>
#include <utility>

namespace ipirm::data {

Subset::Subset(std::shared_ptr<const ImageSet> whole, std::vector<int64_t> index)
    : whole_(std::move(whole)), index_(std::move(index)), factors_(whole_->factors()) {
  for (auto& factor : factors_) {
    std::vector<int64_t> values;
    for (const int64_t i : index_) values.push_back(factor.values[static_cast<size_t>(i)]);
    factor.values = std::move(values);
  }
}

Subset spread_subset(std::shared_ptr<const ImageSet> whole, int64_t most) {
  const int64_t size = std::min(most, whole->size());
  std::vector<int64_t> index;
  for (int64_t i = 0; i < size; ++i) index.push_back(i * whole->size() / size);
  return {std::move(whole), std::move(index)};
}

}  // namespace ipirm::data
