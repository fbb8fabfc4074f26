// MNIST and FashionMNIST read back exactly, plain and in gzip, and every damaged file is reported
// with its place.
#include "data/grey_sets.h"

#include <chrono>
#include <iostream>
#include <numeric>

#include "data/expectations.h"
#include "data/idx.h"
#include "data/write_idx.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;

DataOptions options_of(DataSetKind kind, const fs::path& root) {
  return {.dataset = kind, .root = root.string()};
}

// Grey value of image `number` in the padded image.
int padded(int64_t number, int pad, int y, int x) {
  const bool inside = y >= pad && y < pad + 28 && x >= pad && x < pad + 28;
  return inside ? grey_pixel(number, y - pad, x - pad) : 0;
}

TEST(GreySets, ReadBackPlainAndPackedWithBlackAround) {
  for (const auto& [kind, name] : {std::pair(DataSetKind::kMnist, "MNIST"),
                                   std::pair(DataSetKind::kFashionMnist, "FashionMNIST")}) {
    for (const bool packed : {false, true}) {
      for (const int pad : {2, 0, 5}) {
        const TempFolder folder;
        write_grey(folder.path(), name, 7, 3, packed);
        auto options = options_of(kind, folder.path());
        options.pad = pad;
        const DataSets sets = open_data_sets(options);
        EXPECT_EQ(stored_side(options), 28 + 2 * pad);
        ASSERT_EQ(sets.train->size(), 7);
        ASSERT_EQ(sets.test->size(), 3);
        EXPECT_EQ(sets.labelled, sets.train);
        for (const auto& [set, first] :
             {std::pair(sets.train.get(), int64_t{0}), std::pair(sets.test.get(), kTest)}) {
          ASSERT_EQ(set->factors().size(), 1u);
          EXPECT_EQ(set->factors()[0].name, "label");
          EXPECT_EQ(set->factors()[0].num_values, 10);
          for (int64_t i = 0; i < set->size(); ++i) {
            EXPECT_EQ(set->label(i), grey_label(i));
            EXPECT_EQ(num_wrong(*set, i, 28 + 2 * pad,
                                [&](int, int y, int x) { return padded(first + i, pad, y, x); }),
                      0)
                << name << ", image " << i;
          }
        }
      }
    }
  }
}

TEST(GreySets, AnImageBeyondTheEndIsAFaultOfTheProgram) {
  const TempFolder folder;
  write_grey(folder.path(), "MNIST", 2, 1, false);
  const DataSets sets = open_data_sets(options_of(DataSetKind::kMnist, folder.path()));
  std::vector<uint8_t> scratch;
  EXPECT_THROW(sets.train->image(2, scratch), c10::IndexError);
  EXPECT_THROW(sets.train->image(-1, scratch), c10::IndexError);
}

// What is done to a file of FashionMNIST, and the words that the message must hold besides its
// path.
struct Damage {
  std::string file;
  bool packed;
  std::function<void(Bytes&)> change;  // of what the file holds; none: it is removed
  std::vector<std::string> words;
};

class DamagedGreyFile : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedGreyFile, IsReportedWithItsPlace) {
  const Damage& damage = GetParam();
  const TempFolder folder;
  write_grey(folder.path(), "FashionMNIST", 5, 2, damage.packed);
  const auto options = options_of(DataSetKind::kFashionMnist, folder.path());
  EXPECT_NO_THROW(open_data_sets(options));
  const fs::path path = folder.path() / "FashionMNIST" / "raw" / damage.file;
  damage_file(path, damage.change);
  auto words = damage.words;
  words.push_back((folder.path() / "FashionMNIST" / "raw").string());
  words.push_back(damage.file.substr(0, damage.file.find(".gz")));
  expect_user_error([&] { open_data_sets(options); }, words);
}

std::vector<Damage> damages() {
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte",
                    test = "t10k-images-idx3-ubyte", test_labels = "t10k-labels-idx1-ubyte";
  std::vector<Damage> all;
  for (const auto& file : {images, labels, test, test_labels})
    all.push_back({file, false, nullptr, {"no such file", "download.sh FashionMNIST"}});
  const auto put = [](size_t place, uint8_t value) {
    return [place, value](Bytes& bytes) { bytes.at(place) = value; };
  };
  const auto resize_to = [](size_t size) {
    return [size](Bytes& bytes) { bytes.resize(size, 1); };
  };
  const auto add = [&](const std::string& file, auto change, std::vector<std::string> words) {
    all.push_back({file, false, change, std::move(words)});
  };
  add(images, put(2, 9), {"at byte 0", "found the bytes 0 0 9 3", "expected 0 0 8 3"});
  add(images, put(3, 1), {"at byte 0", "0 0 8 1", "3 dimensions"});
  add(labels, put(3, 3), {"at byte 0", "0 0 8 3", "1 dimension)"});
  add(images, put(0, 1), {"at byte 0", "1 0 8 3"});
  add(images, resize_to(0), {"is empty"});
  add(images, resize_to(3), {"at byte 0", "header is cut off"});
  add(images, resize_to(10), {"at byte 8", "header is cut off"});
  add(images, put(7, 0), {"at byte 4", "dimension 0 of 3 has size 0"});
  add(images, resize_to(16 + 5 * 784 - 1), {"at byte 16", "at most 3919", "5x28x28"});
  add(images, resize_to(16 + 5 * 784 + 1), {"at byte 3936", "5x28x28", "the end of the file"});
  add(images, put(4, 255), {"at byte 16", "expected the product of the sizes 4278190085"});
  add(test, [](Bytes& bytes) { bytes[11] = 14, bytes[15] = 56; },
      {"at byte 8", "images of 14x56", "expected 28x28"});
  add(labels, [](Bytes& bytes) { bytes[7] = 4, bytes.pop_back(); },
      {"at byte 4", "found 4 labels, expected 5", "train-images"});
  add(test_labels, put(9, 10), {"label of image 1 at byte 9 is 10", "expected 0..9"});
  add(labels, put(8, 255), {"label of image 0 at byte 8 is 255"});
  const auto pack = [&](const std::string& file, auto change, std::vector<std::string> words) {
    all.push_back({file + ".gz", true, change, std::move(words)});
  };
  pack(images, [](Bytes& bytes) { bytes.resize(bytes.size() / 2); },
       {"gzip stream ends at byte", "end mark"});
  pack(images, [](Bytes& bytes) { bytes.resize(bytes.size() - 1); }, {"gzip stream ends at byte"});
  pack(images, [](Bytes& bytes) { bytes[bytes.size() - 6] ^= 1; },
       {"gzip stream is damaged before byte", "incorrect data check"});
  pack(images, [](Bytes& bytes) { bytes[bytes.size() - 1] ^= 1; },
       {"gzip stream is damaged", "incorrect length check"});
  pack(images, [](Bytes& bytes) { bytes[2] = 7; },
       {"gzip stream is damaged", "unknown compression method"});
  pack(images, [](Bytes& bytes) { bytes.push_back(0); }, {"and 1 bytes follow"});
  pack(labels, [](Bytes& bytes) { bytes = gzip(idx_bytes({5}, Bytes(6, 1))); },
       {"at byte 13", "the end of the file"});
  pack(labels, [](Bytes& bytes) { bytes = gzip(idx_bytes({5}, Bytes(4, 1))); },
       {"at byte 8", "at most 4 values"});
  pack(labels, [](Bytes& bytes) { bytes = gzip(idx_bytes({4000000000u}, Bytes(4, 1))); },
       {"at byte 8", "4000000000"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, DamagedGreyFile, ::testing::ValuesIn(damages()));

TEST(GreySets, EveryCutAndEveryFlipOfAPackedFileIsRefused) {
  const TempFolder folder;
  Bytes values(60);
  std::iota(values.begin(), values.end(), uint8_t{0});
  const Bytes whole = gzip(idx_bytes({60}, values));
  const fs::path path = folder.path() / "labels.gz";
  for (size_t size = 1; size < whole.size(); ++size) {
    write_file(path, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    EXPECT_THROW(read_idx(path, 1), core::UserError) << size << " bytes of " << whole.size();
  }
  int unnoticed = 0;
  for (size_t place = 10; place < whole.size(); ++place) {  // the first ten: time, system, flags
    Bytes flipped = whole;
    flipped[place] ^= 0x10;
    write_file(path, flipped);
    try {  // the few bits that fill up the last byte before the checksum mean nothing
      EXPECT_EQ(read_idx(path, 1).values, values) << "byte " << place;
      ++unnoticed;
    } catch (const core::UserError&) {
    }
  }
  EXPECT_LE(unnoticed, 1);
}

TEST(GreySets, SettingsOfOneSetAreRefusedBesideAnother) {
  const auto refused = [](auto change, const std::vector<std::string>& words) {
    DataOptions options{.dataset = DataSetKind::kColoredDigits};
    change(options);
    expect_user_error([&] { open_data_sets(options); }, words);
  };
  refused([](DataOptions& o) { o.colours = 2; }, {"--colours", "MNIST and FashionMNIST"});
  refused([](DataOptions& o) { o.colour_noise = 2; }, {"--colour_noise", "ColoredDigits"});
  refused([](DataOptions& o) { o.colour_correlation = true; }, {"--colour_correlation"});
  refused([](DataOptions& o) { o.pad = 0; }, {"--pad"});
  const auto grey = [&](auto change, const std::vector<std::string>& words) {
    refused([&](DataOptions& o) { o.dataset = DataSetKind::kMnist, change(o); }, words);
  };
  grey([](DataOptions& o) { o.colours = 1; }, {"--colours", "found '1'"});
  grey([](DataOptions& o) { o.colour_noise = 9; }, {"--colour_noise", "add --colours"});
  grey([](DataOptions& o) { o.colours = 10, o.colour_correlation = true; },
       {"--colour_correlation has two colours", "10"});
}

// The real files, as Debian's package installs them or scripts/download.sh keeps them.
fs::path real_files() {
  const fs::path ours = "data/FashionMNIST/raw", debian = "/usr/share/datasets/fashion-mnist";
  return fs::exists(ours) ? fs::absolute(ours) : fs::exists(debian) ? debian : fs::path();
}

TEST(GreySets, TheRealFashionMnist) {
  const fs::path files = real_files();
  if (files.empty()) GTEST_SKIP() << "no Fashion-MNIST here: run scripts/download.sh FashionMNIST";
  const TempFolder folder;
  fs::create_directory(folder.path() / "FashionMNIST");
  fs::create_directory_symlink(files, folder.path() / "FashionMNIST" / "raw");
  const auto start = std::chrono::steady_clock::now();
  const DataSets sets = open_data_sets(options_of(DataSetKind::kFashionMnist, folder.path()));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << "opened in " << took.count() << " s\n";
  const std::vector<int64_t> first_labels[] = {{9, 0, 0, 3, 0, 2, 7, 2, 5, 5},
                                               {9, 2, 1, 1, 6, 1, 4, 6, 5, 7}};
  const int64_t size[] = {60000, 10000}, sum[] = {76247, 33456};
  for (int part = 0; part < 2; ++part) {
    const ImageSet& set = part == 0 ? *sets.train : *sets.test;
    ASSERT_EQ(set.size(), size[part]);
    const auto& labels = set.factors()[0].values;
    EXPECT_EQ(std::vector<int64_t>(labels.begin(), labels.begin() + 10), first_labels[part]);
    for (int64_t c = 0; c < 10; ++c)
      EXPECT_EQ(std::count(labels.begin(), labels.end(), c), size[part] / 10);
    std::vector<uint8_t> scratch;
    const Image first = set.image(0, scratch);
    int64_t total = 0;
    for (int y = 0; y < 32; ++y) {
      for (int x = 0; x < 32; ++x) total += value_at(first, 1, y, x);
    }
    EXPECT_EQ(total, sum[part]);
  }
}

}  // namespace
}  // namespace ipirm::data
