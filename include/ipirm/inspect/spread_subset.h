// A part of an image set, spread evenly over it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ipirm/data/image_set.h"

namespace ipirm::inspect {

// `most` >= 1 of the set's images at equal distances, in its order: of a set that is sorted by
// class each class has its share. The set itself where it has no more.
class SpreadSubset : public data::ImageSet {
 public:
  SpreadSubset(std::shared_ptr<const data::ImageSet> whole, int64_t most);

  int64_t size() const override { return static_cast<int64_t>(index_.size()); }
  data::Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    return whole_->image(whole_index(i), scratch);
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }
  std::string name(int64_t i) const override { return whole_->name(whole_index(i)); }
  bool differing_sizes() const override { return whole_->differing_sizes(); }
  std::filesystem::path file(int64_t i) const override { return whole_->file(whole_index(i)); }

  // Where image i stands in the whole set.
  int64_t whole_index(int64_t i) const { return index_[static_cast<size_t>(i)]; }

 private:
  std::shared_ptr<const data::ImageSet> whole_;
  std::vector<int64_t> index_;
  std::vector<data::Factor> factors_;
};

}  // namespace ipirm::inspect
