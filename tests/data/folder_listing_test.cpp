// Which files of a folder set are images, in which order, and what is said of the others.
#include "data/folder_listing.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "data/expectations.h"
#include "data/folder_set.h"
#include "data/write_sets.h"
#include "ipirm/core/log.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;
using ::testing::HasSubstr;

// Empty files: a listing opens none.
void touch(const fs::path& root, const std::vector<std::string>& names) {
  for (const auto& name : names) write_file(root / name, {});
}

// Below the root.
std::vector<std::string> names_of(const fs::path& root, const FolderPart& part) {
  std::vector<std::string> names;
  for (const auto& file : part.files) names.push_back(fs::relative(file, root).string());
  return names;
}

// What torchvision's make_dataset lists of train/, by Python itself; hidden names are passed over.
const char* const kTorchvision = R"(
import os, sys
root = sys.argv[1] + '/train'
for name in sorted(e.name for e in os.scandir(root) if e.is_dir()):
    for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):
        for file in sorted(files):
            if file.lower().endswith(('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')):
                print(os.path.relpath(os.path.join(folder, file), sys.argv[1]))
)";

std::vector<std::string> listed_by_python(const fs::path& root) {
  const fs::path script = root / "list.py";
  std::ofstream(script) << kTorchvision;
  const std::string command = "python3 '" + script.string() + "' '" + root.string() + "'";
  FILE* out = ::popen(command.c_str(), "r");
  std::vector<std::string> names;
  std::array<char, 4096> line{};
  while (out != nullptr && std::fgets(line.data(), line.size(), out) != nullptr) {
    names.emplace_back(line.data());
    names.back().pop_back();  // the line's end
  }
  return out != nullptr && ::pclose(out) == 0 ? names : std::vector<std::string>{};
}

const std::vector<std::string> kNested = {
    "train/b/z.png",           "train/b/a/2.jpg",   "train/b/a/10.jpg", "train/b/a-b/1.png",
    "train/b/a/x/deep.tiff",   "train/b/a/x.bmp",   "train/b/A/1.WEBP", "train/b/\xc3\xa9/1.pgm",
    "train/b/a b/1.ppm",       "train/a.b/one.tif", "train/a/one.JPEG", "train/b/z/1.png",
    "train/b/folder.png/1.png"};

TEST(FolderListing, NestedFoldersComeInTheOrderOfTorchvision) {
  const TempFolder folder;
  touch(folder.path(), kNested);
  const FolderPart train = list_folder(folder.path()).train;
  const std::vector<std::string> expected = {
      "train/a/one.JPEG",      "train/a.b/one.tif",        "train/b/z.png",
      "train/b/A/1.WEBP",      "train/b/a/10.jpg",         "train/b/a/2.jpg",
      "train/b/a/x.bmp",       "train/b/a b/1.ppm",        "train/b/a-b/1.png",
      "train/b/a/x/deep.tiff", "train/b/folder.png/1.png", "train/b/z/1.png",
      "train/b/\xc3\xa9/1.pgm"};
  EXPECT_EQ(names_of(folder.path(), train), expected);
  EXPECT_EQ(train.classes, (std::vector<std::string>{"a", "a.b", "b"}));
  EXPECT_EQ(train.labels, (std::vector<int64_t>{0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}));
}

TEST(FolderListing, PythonListsTheSame) {
  const TempFolder folder;
  touch(folder.path(), kNested);
  touch(folder.path(), {"elsewhere/more/1.png", "elsewhere/2.png", "train/b/a/x.png"});
  fs::create_directory_symlink("../../elsewhere", folder.path() / "train" / "b" / "linked");
  fs::create_directory_symlink("b", folder.path() / "train" / "same_as_b");
  const auto python = listed_by_python(folder.path());
  if (python.empty()) GTEST_SKIP() << "there is no python3 to compare with";
  EXPECT_EQ(names_of(folder.path(), list_folder(folder.path()).train).size(), python.size());
  std::vector<std::string> names;
  for (const auto& file : list_folder(folder.path()).train.files)
    names.push_back(fs::path(file).lexically_relative(folder.path()).string());
  EXPECT_EQ(names, python);
}

TEST(FolderListing, LinksToAFolderAboveAreNotFollowed) {
  const TempFolder folder;
  touch(folder.path(), {"train/a/1.png", "train/a/sub/2.png", "train/b/3.png"});
  const fs::path train = folder.path() / "train";
  fs::create_directory_symlink(".", train / "a" / "self");
  fs::create_directory_symlink("..", train / "a" / "sub" / "up");
  fs::create_directory_symlink("../..", train / "b" / "root");
  fs::create_directory_symlink("/", train / "b" / "system");
  fs::create_symlink("round", train / "b" / "round");  // a file that is none
  const FolderListing listing = list_folder(folder.path());
  EXPECT_EQ(names_of(folder.path(), listing.train),
            (std::vector<std::string>{"train/a/1.png", "train/a/sub/2.png", "train/b/3.png"}));
  EXPECT_THAT(listing.summary, HasSubstr("4 link(s) to a folder above"));
  EXPECT_FALSE(listing.complete);
}

TEST(FolderListing, WhatIsLeftOutIsCounted) {
  const TempFolder folder;
  touch(folder.path(),
        {"train/a/1.png", "train/a/notes.txt", "train/a/deep/more.TXT", "train/a/.hidden.png",
         "train/a/.cache/2.png", "train/beside.jpg", "train/labels.csv", "train/a/README",
         "train/a/x.we ird", "test/a/1.heic", "test/a/2.gif", "test/.DS_Store"});
  const FolderListing listing = list_folder(folder.path());
  EXPECT_EQ(listing.summary,
            folder.path().string() +
                ": 1 image in train/ of 1 class, 1 in test/; left out: 2 .txt, 1 .csv, 1 .heic, 1 "
                "with odd endings, 1 without an ending, 1 image(s) beside the class folders, 3 "
                "hidden");
  EXPECT_FALSE(listing.complete);
}

TEST(FolderListing, ManyKindsStayOneShortLine) {
  const TempFolder folder;
  touch(folder.path(), {"train/a/1.png"});
  for (int i = 0; i < 20; ++i) touch(folder.path(), {"train/a/x.k" + std::to_string(10 + i)});
  const std::string summary = list_folder(folder.path()).summary;
  EXPECT_THAT(summary, HasSubstr("1 .k17, 12 of other kinds"));
  EXPECT_LT(summary.size(), 300u);
}

TEST(FolderListing, TheLineIsAWarningOnlyWhereMoreThanHiddenNamesIsLeftOut) {
  const TempFolder folder;
  write_image(folder.path() / "train" / "a" / "1.png", 8, 8, [](int, int, int) { return 1; });
  touch(folder.path(), {"train/a/.hidden"});
  const auto printed = [&] {
    ::testing::internal::CaptureStderr();
    open_folder(folder.path(), 96);
    return ::testing::internal::GetCapturedStderr();  // warnings alone
  };
  EXPECT_EQ(printed(), "");
  touch(folder.path(), {"train/a/1.heic"});
  EXPECT_THAT(printed(), HasSubstr("left out: 1 .heic, 1 hidden"));
}

// --- Parts --------------------------------------------------------------------------------------

TEST(FolderParts, TrainAloneHasNoTestSet) {
  const TempFolder folder;
  write_folder(folder.path(), 2);
  fs::remove_all(folder.path() / "test");
  const DataSets sets = open_data_sets({DataSetKind::kFolder, folder.path().string()});
  EXPECT_EQ(sets.train->size(), 6);
  EXPECT_EQ(sets.labelled, sets.train);
  EXPECT_EQ(sets.test, nullptr);
  EXPECT_THAT(list_folder(folder.path()).summary, HasSubstr("no test images; nothing is left out"));
}

TEST(FolderParts, ValServesAsTestWhereThereIsNone) {
  const TempFolder folder;
  touch(folder.path(), {"train/a/1.png", "val/a/2.png", "val/a/3.png"});
  FolderListing listing = list_folder(folder.path());
  ASSERT_TRUE(listing.test);
  EXPECT_EQ(names_of(folder.path(), *listing.test),
            (std::vector<std::string>{"val/a/2.png", "val/a/3.png"}));
  EXPECT_THAT(listing.summary, HasSubstr("2 in val/"));
  touch(folder.path(), {"test/a/4.png"});
  listing = list_folder(folder.path());
  EXPECT_EQ(names_of(folder.path(), *listing.test), (std::vector<std::string>{"test/a/4.png"}));
  EXPECT_THAT(listing.summary, HasSubstr("left out: val/ (since there is test/)"));
  touch(folder.path(), {"test/b/4.png"});
  expect_user_error([&] { list_folder(folder.path()); },
                    {(folder.path() / "train").string(), "'b'", "but test has"});
}

TEST(FolderParts, ATestFolderWithoutClassesIsNotUsed) {
  const TempFolder folder;
  touch(folder.path(), {"train/a/1.png", "test/2.png", "val/a/3.png"});
  const FolderListing listing = list_folder(folder.path());
  ASSERT_TRUE(listing.test);
  EXPECT_EQ(names_of(folder.path(), *listing.test), (std::vector<std::string>{"val/a/3.png"}));
  EXPECT_THAT(listing.summary, HasSubstr("test/ (it holds no class folders)"));
}

TEST(FolderParts, ImagesInTrainItselfHaveNoLabels) {
  const TempFolder folder;
  for (const char* name : {"train/b.png", "train/a.png", "test/c.png"})
    write_image(folder.path() / name, 8, 8, [&](int, int, int) { return name[6]; });
  const DataSets sets = open_data_sets({DataSetKind::kFolder, folder.path().string()});
  EXPECT_EQ(sets.train->size(), 2);
  EXPECT_EQ(sets.train->name(0), "train/a.png");
  EXPECT_EQ(sets.train->factors()[0].num_values, 1);
  EXPECT_EQ(sets.train->factors()[0].values, (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(sets.test, nullptr);
  EXPECT_THAT(list_folder(folder.path()).summary,
              HasSubstr("2 images in train/ without labels, no test images; left out: test/ "
                        "(train/ has no class folders)"));
}

}  // namespace
}  // namespace ipirm::data
