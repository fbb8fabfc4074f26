// Image sets over mapped files of equal records: label bytes, then three planes of pixels.
#include "data/binary_sets.h"

#include <c10/util/Exception.h>

#include <utility>

#include "data/damaged.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::data {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr const char* kStlFiles =
    "STL is read from stl10_binary/{train_X,train_y,test_X,test_y,unlabeled_X}.bin under "
    "--data_root "
    "(https://cs.stanford.edu/~acoates/stl10, binary files)";
constexpr const char* kCifar10Files =
    "CIFAR10 is read from cifar-10-batches-bin/{data_batch_1..5,test_batch}.bin under --data_root "
    "(https://www.cs.toronto.edu/~kriz/cifar.html, binary version)";
constexpr const char* kCifar100Files =
    "CIFAR100 is read from cifar-100-binary/{train,test}.bin under --data_root "
    "(https://www.cs.toronto.edu/~kriz/cifar.html, binary version)";

const std::vector<std::string> kStlClasses = {"airplane", "bird",  "car",    "cat",  "deer",
                                              "dog",      "horse", "monkey", "ship", "truck"};
const std::vector<std::string> kCifar10Classes = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

// One label byte among those before an image.
struct LabelByte {
  int offset;  // in the record
  int num_values;
};

struct Format {
  int side;  // images are square, in pixels
  int label_bytes;
  ptrdiff_t row_stride, column_stride;

  int64_t plane() const { return int64_t{side} * side; }
  int64_t record() const { return label_bytes + 3 * plane(); }
};

constexpr Format kStl = {kStlSide, 0, 1, kStlSide};  // columns are contiguous
constexpr Format kCifar10 = {kCifarSide, 1, kCifarSide, 1};
constexpr Format kCifar100 = {kCifarSide, 2, kCifarSide, 1};

struct MappedImages {
  std::shared_ptr<const core::MappedFile> file;
  int64_t count;
};

class MappedSet : public ImageSet {
 public:
  MappedSet(const Format& format, std::vector<MappedImages> parts, Factor label)
      : format_(format), parts_(std::move(parts)), factors_{std::move(label)} {}

  int64_t size() const override { return static_cast<int64_t>(factors_[0].values.size()); }

  Image image(int64_t i, std::vector<uint8_t>&) const override {
    TORCH_CHECK_INDEX(i >= 0 && i < size(), "image ", i, " of a set of ", size());
    auto part = parts_.begin();
    for (; i >= part->count; ++part) i -= part->count;
    const uint8_t* pixels = part->file->bytes().data() + i * format_.record() + format_.label_bytes;
    return {pixels,          format_.side,       format_.side,
            format_.plane(), format_.row_stride, format_.column_stride};
  }

  const std::vector<Factor>& factors() const override { return factors_; }

 private:
  Format format_;
  std::vector<MappedImages> parts_;
  std::vector<Factor> factors_;
};

std::shared_ptr<const core::MappedFile> map_file(const fs::path& path, const char* files) {
  std::error_code error;
  if (!fs::exists(path, error) && !error)
    throw UserError(cat(path.string(), ": there is no such file; ", files));
  return std::make_shared<core::MappedFile>(path);
}

MappedImages map_images(const fs::path& path, const Format& format, const char* files) {
  auto file = map_file(path, files);
  const auto size = static_cast<int64_t>(file->bytes().size());
  const int64_t record = format.record(), count = size / record;
  if (size == 0)
    throw UserError(
        cat(path.string(), ": is empty, expected records of ", record, " bytes", kDamaged));
  if (size % record != 0) {
    throw UserError(cat(path.string(), ": record ", count, " at byte ", count * record,
                        " is cut off after ", size % record,
                        " bytes, expected a whole number of records of ", record, " bytes",
                        kDamaged));
  }
  return {std::move(file), count};
}

// The label byte of each record, checked to be below num_values.
std::vector<int64_t> read_labels(const MappedImages& images, const Format& format,
                                 LabelByte which) {
  const auto bytes = images.file->bytes();
  std::vector<int64_t> labels(static_cast<size_t>(images.count));
  for (int64_t i = 0; i < images.count; ++i) {
    const int64_t place = i * format.record() + which.offset;
    const int label = bytes[static_cast<size_t>(place)];
    if (label >= which.num_values) {
      throw UserError(cat(images.file->path().string(), ": the label of image ", i, " at byte ",
                          place, " is ", label, ", expected 0..", which.num_values - 1, kDamaged));
    }
    labels[static_cast<size_t>(i)] = label;
  }
  return labels;
}

// STL keeps its labels, 1..10, in a file of their own.
std::vector<int64_t> read_stl_labels(const fs::path& path, const MappedImages& images) {
  const auto file = map_file(path, kStlFiles);
  const auto bytes = file->bytes();
  if (static_cast<int64_t>(bytes.size()) != images.count) {
    throw UserError(cat(path.string(), ": holds ", bytes.size(), " labels of one byte, expected ",
                        images.count, ", one for each image of ",
                        images.file->path().filename().string(), kDamaged));
  }
  std::vector<int64_t> labels(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] < 1 || bytes[i] > 10) {
      throw UserError(cat(path.string(), ": the label of image ", i, " at byte ", i, " is ",
                          int{bytes[i]}, ", expected 1..10", kDamaged));
    }
    labels[i] = bytes[i] - 1;
  }
  return labels;
}

// A set of records that carry their label: the files' images one file after the other.
std::shared_ptr<const ImageSet> open_records(const std::vector<fs::path>& paths,
                                             const Format& format,
                                             const std::vector<LabelByte>& checked,
                                             const std::vector<std::string>& classes,
                                             const char* files) {
  std::vector<MappedImages> parts;
  Factor label{"label", checked.back().num_values, {}, {}, classes};
  for (const auto& path : paths) {
    parts.push_back(map_images(path, format, files));
    std::vector<int64_t> labels;
    for (const auto& which : checked) labels = read_labels(parts.back(), format, which);
    label.values.insert(label.values.end(), labels.begin(), labels.end());
  }
  return std::make_shared<MappedSet>(format, std::move(parts), std::move(label));
}

}  // namespace

DataSets open_stl(const fs::path& root) {
  const fs::path folder = root / "stl10_binary";
  const auto images = [&](const char* name) { return map_images(folder / name, kStl, kStlFiles); };
  const MappedImages train = images("train_X.bin"), test = images("test_X.bin"),
                     unlabeled = images("unlabeled_X.bin");
  const auto labels = [&](const char* name, const MappedImages& of) {
    return Factor{"label", 10, read_stl_labels(folder / name, of), {}, kStlClasses};
  };
  const Factor labelled = labels("train_y.bin", train);
  Factor all = labelled;
  all.values.resize(static_cast<size_t>(train.count + unlabeled.count), -1);
  return {std::make_shared<MappedSet>(kStl, std::vector{train, unlabeled}, std::move(all)),
          std::make_shared<MappedSet>(kStl, std::vector{train}, labelled),
          std::make_shared<MappedSet>(kStl, std::vector{test}, labels("test_y.bin", test))};
}

DataSets open_cifar10(const fs::path& root) {
  const fs::path folder = root / "cifar-10-batches-bin";
  std::vector<fs::path> batches;
  for (int i = 1; i <= 5; ++i) batches.push_back(folder / cat("data_batch_", i, ".bin"));
  const std::vector<LabelByte> label = {{0, 10}};
  const auto open = [&](const std::vector<fs::path>& files) {
    return open_records(files, kCifar10, label, kCifar10Classes, kCifar10Files);
  };
  const auto train = open(batches);
  return {train, train, open({folder / "test_batch.bin"})};
}

DataSets open_cifar100(const fs::path& root) {
  const fs::path folder = root / "cifar-100-binary";
  const std::vector<LabelByte> labels = {{0, 20},
                                         {1, 100}};  // coarse, checked only; fine, the class
  const auto open = [&](const char* file) {
    return open_records({folder / file}, kCifar100, labels, {}, kCifar100Files);
  };
  const auto train = open("train.bin");
  return {train, train, open("test.bin")};
}

}  // namespace ipirm::data
