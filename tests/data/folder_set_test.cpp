// Folders of images: order, exact pixels, scaling, the cache, and errors that name the file.
#include <gtest/gtest.h>

#include <thread>

#include "data/expectations.h"
#include "data/folder_set.h"
#include "data/write_sets.h"
#include "ipirm/core/error.h"
#include "ipirm/data/image_set.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;

// JPEG keeps smooth_pixel() within this many values at OpenCV's default quality of 95 (seen: 3).
constexpr int kJpegTolerance = 4;

DataSets open_set(const fs::path& root, int side = 96) {
  return open_data_sets({DataSetKind::kFolder, root.string(), side});
}

// One class "a" with train/a/NAME and a valid test/a/0.png.
fs::path one_image_set(const fs::path& root, const std::string& name) {
  write_image(root / "test" / "a" / "0.png", 8, 8, [](int, int, int) { return 1; });
  return root / "train" / "a" / name;
}

TEST(FolderSet, ReadsBackClassesAndFilesInAlphabeticalOrder) {
  const TempFolder folder;
  write_folder(folder.path(), 4);
  write_file(folder.path() / "train" / "bee" / "notes.txt", {1, 2, 3});
  write_file(folder.path() / "train" / "bee" / ".hidden.png", {1, 2, 3});
  write_file(folder.path() / "train" / "list.csv", {1});
  const DataSets sets = open_set(folder.path());
  EXPECT_EQ(sets.labelled, sets.train);
  EXPECT_EQ(sets.train->factors()[0].name, "label");
  EXPECT_EQ(sets.train->factors()[0].num_values, 3);
  EXPECT_EQ(sets.train->factors()[0].shown_name_of(1), "bee");
  for (const bool test : {false, true}) {
    const ImageSet& set = test ? *sets.test : *sets.train;
    ASSERT_EQ(set.size(), 12);
    for (int64_t i = 0; i < 12; ++i) {
      const int64_t number = (test ? kTest : 0) + i;
      EXPECT_EQ(set.label(i), i / 4);
      const char* class_name = i < 4 ? "apple" : i < 8 ? "bee" : "cat";
      EXPECT_EQ(set.name(i), core::cat(test ? "test/" : "train/", class_name, "/000", i % 4,
                                       i % 2 ? ".jpg" : ".png"));
      const bool png = i % 2 == 0;
      const auto expected = [&](int c, int y, int x) {
        return png ? pixel(number, c, y, x) : smooth_pixel(number, c, y, x);
      };
      EXPECT_EQ(num_wrong(set, i, 96, expected, png ? 0 : kJpegTolerance), 0) << "image " << i;
    }
  }
}

TEST(FolderSet, OrderIsThatOfTheNamesBytes) {
  const TempFolder folder;
  one_image_set(folder.path(), "");
  const std::vector<std::string> sorted = {"10.png", "2.png", "B.PNG", "a.bmp", "b.JPeG"};
  for (size_t i : {3, 1, 4, 0, 2}) {
    const auto grey = static_cast<uint8_t>(20 * i);
    const fs::path path = folder.path() / "train" / "a" / sorted[i];
    fs::path lower = path.parent_path() / ("written" + std::string(i < 3    ? ".png"
                                                                   : i == 3 ? ".bmp"
                                                                            : ".jpg"));
    write_image(lower, 96, 96, [&](int, int, int) { return grey; });
    fs::rename(lower, path);
  }
  const DataSets sets = open_set(folder.path());
  ASSERT_EQ(sets.train->size(), 5);
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_EQ(num_wrong(*sets.train, i, 96, [&](int, int, int) { return 20 * i; }), 0);
}

TEST(FolderSet, FormatsWithoutLossAreExact) {
  for (const char* name : {"x.png", "x.bmp", "x.webp"}) {
    const TempFolder folder;
    write_image(one_image_set(folder.path(), name), 96, 96,
                [](int c, int y, int x) { return pixel(5, c, y, x); });
    const DataSets sets = open_set(folder.path());
    EXPECT_EQ(num_wrong(*sets.train, 0, 96, [](int c, int y, int x) { return pixel(5, c, y, x); }),
              0)
        << name;
  }
}

TEST(FolderSet, CropsTheCentreOfWideAndTallImages) {
  const TempFolder folder;
  one_image_set(folder.path(), "");
  const fs::path part = folder.path() / "train" / "a";
  write_image(part / "tall.png", 131, 96, [](int c, int y, int x) { return pixel(1, c, y, x); });
  write_image(part / "wide.png", 96, 140, [](int c, int y, int x) { return pixel(2, c, y, x); });
  const DataSets sets = open_set(folder.path());
  EXPECT_EQ(
      num_wrong(*sets.train, 0, 96, [](int c, int y, int x) { return pixel(1, c, y + 17, x); }), 0);
  EXPECT_EQ(
      num_wrong(*sets.train, 1, 96, [](int c, int y, int x) { return pixel(2, c, y, x + 22); }), 0);
}

TEST(FolderSet, ShrinkingAveragesTheAreaOfAPixel) {
  const TempFolder folder;
  // A chequerboard that plain bilinear sampling would turn into stripes: every 3x3 block holds 4 or
  // 5 white points.
  write_image(one_image_set(folder.path(), "x.png"), 288, 400,
              [](int, int y, int x) { return (x + y) % 2 ? 0 : 252; });
  const DataSets sets = open_set(folder.path());
  const auto expected = [](int, int y, int x) { return (3 * y + 3 * x + 56) % 2 ? 112 : 140; };
  EXPECT_EQ(num_wrong(*sets.train, 0, 96, expected, 1), 0);
}

TEST(FolderSet, GrowingIsBilinear) {
  const TempFolder folder;
  write_image(one_image_set(folder.path(), "x.png"), 48, 48,
              [](int c, int, int x) { return 10 * c + 4 * x; });
  const DataSets sets = open_set(folder.path());
  const auto expected = [](int c, int, int x) {
    return 10 * c + std::lround(4 * std::clamp((x + 0.5) / 2 - 0.5, 0.0, 47.0));
  };
  EXPECT_EQ(num_wrong(*sets.train, 0, 96, expected, 1), 0);
}

TEST(FolderSet, AVeryLongImageIsCroppedBeforeItIsScaled) {
  const TempFolder folder;
  write_image(one_image_set(folder.path(), "x.png"), 1, 30000,
              [](int, int, int x) { return x / 120; });
  const DataSets sets = open_set(folder.path());
  EXPECT_EQ(num_wrong(*sets.train, 0, 96, [](int, int, int) { return 14999 / 120; }), 0);
}

TEST(FolderSet, ThreadsShareOneCacheWithinItsBudget) {
  const TempFolder folder;
  write_folder(folder.path(), 4);
  const DataSets sets = open_folder(folder.path(), 96, 5 * 96 * 96 * 3 + 100);
  const auto expected = [](int64_t i) {
    return
        [i](int c, int y, int x) { return i % 2 ? smooth_pixel(i, c, y, x) : pixel(i, c, y, x); };
  };
  std::vector<int64_t> wrong(8, -1);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      int64_t sum = 0;
      for (int64_t i = 0; i < 12; ++i)
        sum += num_wrong(*sets.train, i, 96, expected(i), i % 2 ? kJpegTolerance : 0);
      wrong[t] = sum;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int64_t>(8, 0));
  int64_t in_scratch = 0, same = 0;
  for (int64_t i = 0; i < 12; ++i) {
    std::vector<uint8_t> one, two;
    const uint8_t* first = sets.train->image(i, one).pixels;
    const uint8_t* second = sets.train->image(i, two).pixels;
    in_scratch += first == one.data();
    same += first == second;
  }
  EXPECT_EQ(same, 5);
  EXPECT_EQ(in_scratch, 7);
}

// 300x100 with the thirds 10, 200 and 90: what is cut off and what is kept can be told apart.
void write_thirds(const fs::path& path, bool tall) {
  write_image(path, tall ? 300 : 100, tall ? 100 : 300, [tall](int, int y, int x) {
    const int along = tall ? y : x;
    return along < 100 ? 10 : along < 200 ? 200 : 90;
  });
}

TEST(FolderSet, TheOuterThirdsAreCutOffOrKept) {
  const TempFolder folder;
  write_thirds(one_image_set(folder.path(), "tall.png"), true);
  write_thirds(folder.path() / "train" / "a" / "wide.png", false);
  for (const int side : {96, 100, 40}) {
    const DataSets sets = open_set(folder.path(), side);
    EXPECT_FALSE(sets.train->differing_sizes());
    for (int64_t i = 0; i < 2; ++i)
      EXPECT_EQ(num_wrong(*sets.train, i, side, [](int, int, int) { return 200; }), 0) << side;
  }
  const DataSets sets = open_set(folder.path(), 0);
  EXPECT_TRUE(sets.train->differing_sizes());
  for (int64_t i = 0; i < 2; ++i) {
    std::vector<uint8_t> scratch;
    const Image image = sets.train->image(i, scratch);
    ASSERT_EQ(image.height, i == 0 ? 300 : 100);
    ASSERT_EQ(image.width, i == 0 ? 100 : 300);
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const int along = i == 0 ? y : x;
        ASSERT_EQ(value_at(image, 1, y, x), along < 100 ? 10 : along < 200 ? 200 : 90);
      }
    }
  }
}

TEST(FolderSet, TheCacheCountsTheBytesOfEachImage) {
  const TempFolder folder;
  for (const int side : {10, 20, 30, 40}) {
    write_image(one_image_set(folder.path(), core::cat(side, ".png")), side, 2 * side,
                [](int c, int y, int x) { return pixel(1, c, y, x); });
  }
  const auto bytes = [](int64_t side) { return 3 * side * 2 * side; };
  // Room for all but the third: the second asked for last finds less than it needs.
  const DataSets sets = open_folder(folder.path(), 0, bytes(10) + bytes(20) + bytes(40));
  std::vector<uint8_t> scratch;
  for (const int64_t i : {3, 0, 2, 1}) sets.train->image(i, scratch);
  std::vector<bool> cached;
  for (int64_t i = 0; i < 4; ++i) {
    scratch.assign(bytes(40), 0);
    cached.push_back(sets.train->image(i, scratch).pixels != scratch.data());
  }
  EXPECT_EQ(cached, (std::vector<bool>{true, true, false, true}));
}

TEST(FolderSet, AnEmptyClassIsReported) {
  const TempFolder folder;
  write_folder(folder.path(), 1);
  const fs::path empty = folder.path() / "test" / "bee";
  fs::remove_all(empty);
  write_file(empty / "readme.txt", {1});
  expect_user_error([&] { open_set(folder.path()); }, {empty.string(), "class is empty", "png"});
}

TEST(FolderSet, MissingFoldersAreReported) {
  const TempFolder folder;
  expect_user_error([&] { open_set(folder.path()); },
                    {(folder.path() / "train").string(), "--data_root"});
  fs::create_directories(folder.path() / "train");
  expect_user_error([&] { open_set(folder.path()); },
                    {(folder.path() / "train").string(), "no class folder and no image"});
}

TEST(FolderSet, ClassesMustBeTheSame) {
  const TempFolder folder;
  write_folder(folder.path(), 1);
  fs::rename(folder.path() / "test" / "cat", folder.path() / "test" / "dog");
  expect_user_error([&] { open_set(folder.path()); },
                    {(folder.path() / "test").string(), "'cat'", "but train has"});
  write_image(folder.path() / "test" / "cat" / "0.png", 8, 8, [](int, int, int) { return 0; });
  expect_user_error([&] { open_set(folder.path()); },
                    {(folder.path() / "train").string(), "'dog'", "but test has"});
}

TEST(FolderSet, AFileThatIsNoImageIsReportedAtOnce) {
  const TempFolder folder;
  const fs::path path = one_image_set(folder.path(), "x.png");
  write_file(path, {'h', 'e', 'l', 'l', 'o'});
  expect_user_error([&] { open_set(folder.path()); },
                    {path.string(), "no PNG, JPEG, BMP, WebP, TIFF"});
  write_file(path, {});
  expect_user_error([&] { open_set(folder.path()); }, {path.string(), "is empty"});
  fs::remove(path);
  fs::create_symlink("nowhere.png", path);
  expect_user_error([&] { open_set(folder.path()); }, {path.string(), "no regular file"});
}

// A valid file of each format, damaged; the words its message must hold.
struct Damage {
  std::string name;
  std::function<void(Bytes&)> change;
  std::vector<std::string> words;
};

std::function<void(Bytes&)> cut_to(double share) {
  return [share](Bytes& bytes) {
    bytes.resize(static_cast<size_t>(share * static_cast<double>(bytes.size())));
  };
}
std::function<void(Bytes&)> cut_to_bytes(size_t size) {
  return [size](Bytes& bytes) { bytes.resize(size); };
}
std::function<void(Bytes&)> put(size_t place, std::vector<uint8_t> values) {
  return [place, values](Bytes& bytes) {
    std::copy(values.begin(), values.end(), bytes.begin() + static_cast<long>(place));
  };
}

// Sets the size in a JPEG's frame header.
void make_huge_jpeg(Bytes& bytes) {
  for (size_t i = 2; bytes[i] == 0xFF;
       i += 2 + static_cast<size_t>(bytes[i + 2] << 8 | bytes[i + 3])) {
    if (bytes[i + 1] == 0xC0) {
      put(i + 5, {0x7F, 0xFF, 0x7F, 0xFF})(bytes);
      return;
    }
  }
  FAIL() << "no frame header";
}

class DamagedImage : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedImage, IsReportedByNameAndNothingElseIsPrinted) {
  const Damage& damage = GetParam();
  const TempFolder folder;
  const fs::path path = one_image_set(folder.path(), damage.name);
  write_image(path, 100, 120, [](int c, int y, int x) { return pixel(9, c, y, x); });
  damage_file(path, damage.change);
  const DataSets sets = open_set(folder.path());
  std::vector<uint8_t> scratch;
  auto words = damage.words;
  words.push_back(path.string());
  ::testing::internal::CaptureStderr();
  expect_user_error([&] { sets.train->image(0, scratch); }, words);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedImage,
    ::testing::Values(Damage{"x.png", cut_to(.5), {"ends at byte"}},
                      Damage{"x.png", cut_to_bytes(20), {"ends at byte 20"}},
                      Damage{"x.png", put(300, {1, 2, 3, 4, 5}), {"checksum", "chunk at byte 33"}},
                      Damage{"x.png", put(12, {'X'}), {"checksum", "chunk at byte 8"}},
                      Damage{"x.tif", cut_to(.5), {"ends at byte"}},
                      Damage{"x.tif", put(300, Bytes(2000, 0xFF)), {"cannot be decoded"}},
                      Damage{"x.tif", cut_to_bytes(6), {"ends at byte 6"}},
                      Damage{"x.ppm", cut_to(.5), {"ends at byte"}},
                      Damage{"x.ppm", put(3, {'x'}), {"byte 3 is no digit"}},
                      Damage{"x.jpg", cut_to(.5), {"ends at byte", "end-of-image"}},
                      Damage{"x.jpg", cut_to_bytes(12), {"ends at byte 12"}},
                      Damage{"x.jpg", put(4, {0, 1}), {"byte 2 has 1 bytes"}},
                      Damage{"x.jpg", make_huge_jpeg, {"32767x32767", "at most"}},
                      Damage{"x.bmp", cut_to(.5), {"ends at byte"}},
                      Damage{"x.bmp", cut_to_bytes(16), {"ends at byte 16"}},
                      Damage{"x.bmp", put(18, {0x40, 0x9C}), {"40000x100", "1..32768"}},
                      Damage{"x.bmp", put(18, {0, 0, 0, 0}), {"0x100"}},
                      Damage{"x.webp", cut_to(.5), {"ends at byte"}},
                      Damage{
                          "x.webp", put(40, Bytes(400, 0xA5)), {"cannot be decoded", "120x100"}}));

TEST(FolderSet, AProfileThatLibpngDislikesIsDecodedInSilence) {
  const TempFolder folder;
  const fs::path path = one_image_set(folder.path(), "x.png");
  write_image(path, 96, 96, [](int c, int y, int x) { return pixel(3, c, y, x); });
  Bytes bytes = read_bytes(path);
  const Bytes profile = {0,   0,   0,   4,   'i',  'C',  'C',  'P',
                         'x', 'y', 'z', 'w', 0x80, 0xA0, 0x12, 0x5B};  // right CRC, no profile
  bytes.insert(bytes.begin() + 33, profile.begin(), profile.end());
  write_file(path, bytes);
  const DataSets sets = open_set(folder.path());
  ::testing::internal::CaptureStderr();
  const int64_t wrong =
      num_wrong(*sets.train, 0, 96, [](int c, int y, int x) { return pixel(3, c, y, x); });
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace ipirm::data
