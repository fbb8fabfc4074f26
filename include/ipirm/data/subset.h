// Some images of a set, as a set.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

class Subset : public ImageSet {
 public:
  // index: the images' places in the whole set, each within it.
  Subset(std::shared_ptr<const ImageSet> whole, std::vector<int64_t> index);

  int64_t size() const override { return static_cast<int64_t>(index_.size()); }
  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    return whole_->image(whole_index(i), scratch);
  }
  const std::vector<Factor>& factors() const override { return factors_; }
  std::string name(int64_t i) const override { return whole_->name(whole_index(i)); }
  bool differing_sizes() const override { return whole_->differing_sizes(); }
  std::filesystem::path file(int64_t i) const override { return whole_->file(whole_index(i)); }

  int64_t whole_index(int64_t i) const { return index_[static_cast<size_t>(i)]; }

 private:
  std::shared_ptr<const ImageSet> whole_;
  std::vector<int64_t> index_;
  std::vector<Factor> factors_;
};

// `most` >= 1 images at equal distances, in the set's order: of a set that is sorted by class each
// class has its share. All of them where the set has no more.
Subset spread_subset(std::shared_ptr<const ImageSet> whole, int64_t most);

}  // namespace ipirm::data
