// The first images of a set, as a set.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/data/image_set.h"

namespace ipirm::app {

class FirstImages : public data::ImageSet {
 public:
  // At most `most` >= 1 of them.
  FirstImages(std::shared_ptr<const data::ImageSet> set, int64_t most)
      : set_(std::move(set)), factors_(set_->factors()) {
    for (auto& factor : factors_)
      factor.values.resize(static_cast<size_t>(std::min(most, set_->size())));
  }
  int64_t size() const override { return static_cast<int64_t>(factors_[0].values.size()); }
  data::Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    return set_->image(i, scratch);
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }
  std::string name(int64_t i) const override { return set_->name(i); }
  bool differing_sizes() const override { return set_->differing_sizes(); }
  std::filesystem::path file(int64_t i) const override { return set_->file(i); }

 private:
  std::shared_ptr<const data::ImageSet> set_;
  std::vector<data::Factor> factors_;
};

}  // namespace ipirm::app
