// Picks images at equal distances, with what is known about them.
#include "ipirm/inspect/spread_subset.h"

#include <algorithm>
#include <utility>

namespace ipirm::inspect {

SpreadSubset::SpreadSubset(std::shared_ptr<const data::ImageSet> whole, int64_t most)
    : whole_(std::move(whole)) {
  const int64_t size = std::min(most, whole_->size());
  for (int64_t i = 0; i < size; ++i) index_.push_back(i * whole_->size() / size);
  factors_ = whole_->factors();
  for (auto& factor : factors_) {
    std::vector<int64_t> values;
    for (const int64_t i : index_) values.push_back(factor.values[static_cast<size_t>(i)]);
    factor.values = std::move(values);
  }
}

}  // namespace ipirm::inspect
