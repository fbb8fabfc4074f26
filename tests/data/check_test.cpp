// Looking for damaged images: all of them, in order, by any number of threads, at both depths.
#include "ipirm/data/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <stdexcept>

#include "data/expectations.h"
#include "data/write_sets.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;
using ::testing::HasSubstr;

std::vector<int64_t> indices(const std::vector<BadImage>& bad) {
  std::vector<int64_t> all;
  for (const auto& image : bad) all.push_back(image.index);
  return all;
}

DataSets open_for_check(const fs::path& root) {
  DataOptions options{DataSetKind::kFolder, root.string()};
  options.for_check = true;
  return open_data_sets(options);
}

void cut_off(const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); }

// A PNG whose chunks are in order, and whose pixels are not: the stream inside is no zlib stream.
void write_png_without_pixels(const fs::path& path) {
  write_image(path, 40, 30, [](int, int, int) { return 7; });
  Bytes bytes = read_bytes(path);
  size_t place = 8;
  while (std::string(bytes.begin() + static_cast<long>(place) + 4,
                     bytes.begin() + static_cast<long>(place) + 8) != "IDAT") {
    place += 12 + (size_t{bytes[place + 2]} << 8) + bytes[place + 3];
  }
  const size_t size = (size_t{bytes[place + 2]} << 8) + bytes[place + 3];
  std::fill_n(bytes.begin() + static_cast<long>(place) + 8, size, uint8_t{0xFF});
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = place + 4; i < place + 8 + size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  crc = ~crc;
  for (size_t i = 0; i < 4; ++i)
    bytes[place + 8 + size + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
  write_file(path, bytes);
}

TEST(Check, FindsAllThatIsWrongInOrder) {
  const TempFolder folder;
  write_folder(folder.path(), 40);
  const fs::path train = folder.path() / "train";
  cut_off(train / "apple/0003.jpg");
  write_file(train / "bee/0000.png", {});
  write_png_without_pixels(train / "bee/0002.png");
  write_file(train / "cat/0038.png", {'n', 'o'});
  fs::remove(train / "cat/0039.jpg");
  fs::create_symlink("nowhere", train / "cat/0039.jpg");
  const auto sets = open_for_check(folder.path());
  for (const int workers : {1, 4}) {
    const auto bad = find_bad_images(*sets.train, CheckDepth::kPixels, workers, "looking");
    EXPECT_EQ(indices(bad), (std::vector<int64_t>{3, 40, 42, 118, 119}));
    for (const auto& image : bad)
      EXPECT_THAT(image.what, HasSubstr(sets.train->file(image.index).string()));
    // The pixels alone are not looked at.
    EXPECT_EQ(indices(find_bad_images(*sets.train, CheckDepth::kStructure, workers, "looking")),
              (std::vector<int64_t>{3, 40, 118, 119}));
    EXPECT_TRUE(find_bad_images(*sets.test, CheckDepth::kPixels, workers, "looking").empty());
  }
}

// Elsewhere it would wait for ever.
TEST(Check, APipeIsNoImage) {
  const TempFolder folder;
  write_folder(folder.path(), 2);
  const fs::path pipe = folder.path() / "test/bee/0001.jpg";
  fs::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto bad = find_bad_images(*open_for_check(folder.path()).test, CheckDepth::kPixels, 2, "");
  ASSERT_EQ(indices(bad), std::vector<int64_t>{3});
  EXPECT_THAT(bad[0].what, HasSubstr("no regular file"));
}

TEST(Check, RecordsAreCheckedByOpening) {
  const TempFolder folder;
  write_stl(folder.path(), 5, 5, 5);
  const auto sets = open_data_sets({DataSetKind::kStl, folder.path().string()});
  for (const auto depth : {CheckDepth::kStructure, CheckDepth::kPixels})
    EXPECT_TRUE(find_bad_images(*sets.train, depth, 2, "looking").empty());
}

// What is not the user's to mend is no finding.
TEST(Check, AFaultOfOursIsThrownOn) {
  struct Broken : ImageSet {
    int64_t size() const override { return 100; }
    Image image(int64_t, std::vector<uint8_t>&) const override { throw std::logic_error("ours"); }
    const std::vector<Factor>& factors() const override { return none; }
    std::vector<Factor> none;
  };
  EXPECT_THROW(find_bad_images(Broken(), CheckDepth::kPixels, 3, ""), std::logic_error);
}

}  // namespace
}  // namespace ipirm::data
