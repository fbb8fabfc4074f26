// Puts grey images into one memory, pads them, and gives each its label and perhaps its colour.
#include "data/grey_sets.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "data/damaged.h"
#include "data/idx.h"
#include "data/tints.h"
#include "ipirm/core/error.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr int kNumClasses = 10;

// The images of all files, padded, one after the other.
struct GreyImages {
  int side;
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  std::vector<std::string> class_names;  // for people; empty: digits are their own

  int64_t plane() const { return int64_t{side} * side; }
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

const std::vector<std::string> kClothes = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                           "sandal",  "shirt",   "sneaker",  "bag",   "boot"};

// How images are seen: grey, or each in its colour.
struct Tinting {
  int num_colours = 0;  // 0: grey
  int most_noise = 0;
};

class GreySet : public ImageSet {
 public:
  // picks[i]: the number of image i among the images. A coloured set has a factor "colour".
  GreySet(std::shared_ptr<const GreyImages> images, std::vector<int64_t> picks,
          std::vector<Factor> factors, const Tinting& tinting)
      : images_(std::move(images)),
        picks_(std::move(picks)),
        factors_(std::move(factors)),
        tinting_(tinting) {
    for (const auto& factor : factors_)
      TORCH_INTERNAL_ASSERT(factor.values.size() == picks_.size());
    const auto colour = std::ranges::find(factors_, "colour", &Factor::name);
    TORCH_INTERNAL_ASSERT((colour != factors_.end()) == (tinting_.num_colours > 0));
    colour_ = static_cast<size_t>(colour - factors_.begin());
  }

  int64_t size() const override { return static_cast<int64_t>(picks_.size()); }

  Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    const auto place = static_cast<size_t>(i);
    const int64_t pick = picks_[place], plane = images_->plane();
    const int side = images_->side;
    const uint8_t* grey = images_->pixels.data() + pick * plane;
    if (tinting_.num_colours == 0) return {grey, side, side, 0, side, 1};  // three times one plane
    scratch.resize(static_cast<size_t>(3 * plane));
    const auto colour = static_cast<int>(factors_[colour_].values[place]);
    put_tint(grey, plane, tint_colour(colour, tinting_.num_colours), tinting_.most_noise, pick,
             scratch.data());
    return {scratch.data(), side, side, plane, side, 1};
  }

  const std::vector<Factor>& factors() const override { return factors_; }

 private:
  std::shared_ptr<const GreyImages> images_;
  std::vector<int64_t> picks_;
  std::vector<Factor> factors_;
  size_t colour_;  // which of the factors is the colour
  Tinting tinting_;
};

// The file of that name in the folder, or the same with .gz.
fs::path find_idx(const fs::path& folder, const std::string& name, DataSetKind kind) {
  for (const char* ending : {"", ".gz"}) {
    std::error_code error;
    fs::path path = folder / (name + ending);
    if (fs::exists(path, error) || error) return path;
  }
  throw UserError(cat((folder / name).string(), ": there is no such file, with .gz or without; ",
                      core::name_of(kind), " is read from ",
                      folder.parent_path().filename().string(),
                      "/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte under --data_root",
                      kind == DataSetKind::kFashionMnist ? ": run scripts/download.sh FashionMNIST"
                                                         : ", as torchvision keeps it"));
}

// What two files hold: count images, as they are stored, and their labels.
struct FilePair {
  IdxArray grey, labels;
  int64_t count() const { return labels.sizes[0]; }
};

FilePair read_pair(const fs::path& folder, const std::string& part, DataSetKind kind) {
  const fs::path path = find_idx(folder, part + "-images-idx3-ubyte", kind),
                 labels_path = find_idx(folder, part + "-labels-idx1-ubyte", kind);
  FilePair pair = {read_idx(path, 3), read_idx(labels_path, 1)};
  const IdxArray &grey = pair.grey, &labels = pair.labels;
  if (grey.sizes[1] != kGreySide || grey.sizes[2] != kGreySide) {
    throw UserError(cat(path.string(), ": at byte 8: found images of ", grey.sizes[1], "x",
                        grey.sizes[2], ", expected ", kGreySide, "x", kGreySide, kDamaged));
  }
  const int64_t count = grey.sizes[0];
  if (labels.sizes[0] != count) {
    throw UserError(cat(labels_path.string(), ": at byte 4: found ", labels.sizes[0],
                        " labels, expected ", count, ", one for each image of ",
                        path.filename().string(), kDamaged));
  }
  for (int64_t i = 0; i < count; ++i) {
    const int label = labels.values[static_cast<size_t>(i)];
    if (label >= kNumClasses) {
      throw UserError(cat(labels_path.string(), ": the label of image ", i, " at byte ",
                          idx_header_bytes(1) + i, " is ", label, ", expected 0..", kNumClasses - 1,
                          kDamaged));
    }
  }
  return pair;
}

// All images, in the order of the pairs.
std::shared_ptr<GreyImages> padded(const std::vector<FilePair>& pairs, int pad) {
  auto images = std::make_shared<GreyImages>();
  images->side = kGreySide + 2 * pad;
  int64_t count = 0;
  for (const auto& pair : pairs) count += pair.count();
  images->pixels.resize(static_cast<size_t>(count * images->plane()), 0);
  int64_t number = 0;
  for (const auto& pair : pairs) {
    const auto& labels = pair.labels.values;
    images->labels.insert(images->labels.end(), labels.begin(), labels.end());
    const uint8_t* from = pair.grey.values.data();
    for (int64_t i = 0; i < pair.count(); ++i) {
      uint8_t* to = images->pixels.data() + number++ * images->plane() + pad;
      for (int y = 0; y < kGreySide; ++y, from += kGreySide)
        std::copy_n(from, kGreySide, to + (pad + y) * images->side);
    }
  }
  return images;
}

std::vector<int64_t> slice(const std::vector<int64_t>& values, int64_t begin, int64_t end) {
  return {values.begin() + begin, values.begin() + end};
}

// Each file's images in their order, with colours balanced inside each class.
DataSets parts_of_files(std::shared_ptr<const GreyImages> images, int64_t num_train,
                        const Tinting& tinting) {
  const auto part = [&](int64_t begin, int64_t end, TintStream stream) {
    std::vector<int64_t> picks;
    for (int64_t i = begin; i < end; ++i) picks.push_back(i);
    std::vector<Factor> factors = {
        {"label", kNumClasses, slice(images->labels, begin, end), {}, images->class_names}};
    if (tinting.num_colours > 0) {
      factors.push_back(
          {"colour", tinting.num_colours,
           balanced_colours(factors[0].values, kNumClasses, tinting.num_colours, stream)});
    }
    return std::make_shared<GreySet>(images, std::move(picks), std::move(factors), tinting);
  };
  const auto train = part(0, num_train, TintStream::kTrainColours);
  return {train, train, part(num_train, images->size(), TintStream::kTestColours)};
}

// The images of all files in a new order: two environments to train on, one to test on.
DataSets correlated_parts(std::shared_ptr<const GreyImages> images, const Tinting& tinting) {
  if (images->size() < kNumEnvironments) {
    throw UserError(cat("--colour_correlation: the files hold ", images->size(),
                        " images in all, expected at least ", kNumEnvironments,
                        ", one for each environment"));
  }
  const auto samples = correlated_samples(images->labels);
  const auto part = [&](bool test) {
    std::vector<int64_t> picks;
    std::vector<Factor> factors = {{"label", 2, {}},
                                   {"colour", 2, {}},
                                   {"class", kNumClasses, {}, {}, images->class_names},
                                   {"environment", kNumEnvironments, {}}};
    for (const auto& sample : samples) {
      if ((sample.environment == kNumEnvironments - 1) != test) continue;
      picks.push_back(sample.image);
      factors[0].values.push_back(sample.label);
      factors[1].values.push_back(sample.colour);
      factors[2].values.push_back(images->labels[static_cast<size_t>(sample.image)]);
      factors[3].values.push_back(sample.environment);
    }
    return std::make_shared<GreySet>(images, std::move(picks), std::move(factors), tinting);
  };
  const auto train = part(false);
  return {train, train, part(true)};
}

void check_options(const DataOptions& options) {
  const auto refuse_if = [](bool wrong, const std::string& message) {
    if (wrong) throw UserError(message);
  };
  refuse_if(options.colours == 1, "--colours: found '1', expected 0 (grey) or 2 to 100");
  refuse_if(options.colour_correlation && options.colours != 0 && options.colours != 2,
            cat("--colour_correlation has two colours, but --colours asks for ", options.colours,
                ": remove one of the two"));
  refuse_if(options.colour_noise > 0 && options.colours == 0 && !options.colour_correlation,
            "--colour_noise is the noise under colours, of which there are none: add --colours or "
            "remove it");
}

DataSets open_grey(const DataOptions& options, const char* name) {
  check_options(options);
  const fs::path folder = fs::path(options.root) / name / "raw";
  const std::vector<FilePair> pairs = {read_pair(folder, "train", options.dataset),
                                       read_pair(folder, "t10k", options.dataset)};
  const auto images = padded(pairs, options.pad);
  if (options.dataset == DataSetKind::kFashionMnist) images->class_names = kClothes;
  const int64_t num_train = pairs[0].count();
  if (options.colour_correlation) return correlated_parts(images, {2, options.colour_noise});
  return parts_of_files(images, num_train, {options.colours, options.colour_noise});
}

}  // namespace

DataSets open_mnist(const DataOptions& options) { return open_grey(options, "MNIST"); }

DataSets open_fashion_mnist(const DataOptions& options) {
  return open_grey(options, "FashionMNIST");
}

}  // namespace ipirm::data
