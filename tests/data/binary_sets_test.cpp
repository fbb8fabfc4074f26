// STL and CIFAR read back exactly, and every damaged file is reported with its place.
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>

#include "data/expectations.h"
#include "data/write_sets.h"
#include "ipirm/data/image_set.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;

DataSets open_set(const std::string& name, const fs::path& root) {
  return open_data_sets({core::find_kind<DataSetKind>(name).value(), root.string()});
}

void expect_pixels(const ImageSet& set, int64_t i, int side, int64_t number) {
  EXPECT_EQ(num_wrong(set, i, side, [&](int c, int y, int x) { return pixel(number, c, y, x); }), 0)
      << "image " << i;
}

TEST(BinarySets, StlReadsBackColumnMajorPlanesTrainThenUnlabeled) {
  const TempFolder folder;
  write_stl(folder.path(), 3, 2, 4);
  const DataSets sets = open_set("STL", folder.path());
  ASSERT_EQ(sets.train->size(), 5);
  ASSERT_EQ(sets.labelled->size(), 3);
  ASSERT_EQ(sets.test->size(), 4);
  const auto& label = sets.train->factors()[0];
  EXPECT_EQ(label.name_of(3), "3");  // in tables
  EXPECT_EQ(label.shown_name_of(3), "cat");
  EXPECT_EQ(label.shown_name_of(-1), "-1");
  for (int64_t i = 0; i < 5; ++i) {
    expect_pixels(*sets.train, i, 96, i < 3 ? i : kUnlabeled + i - 3);
    EXPECT_EQ(sets.train->label(i), i < 3 ? stl_label(i) : -1);
  }
  for (int64_t i = 0; i < 3; ++i) {
    expect_pixels(*sets.labelled, i, 96, i);
    EXPECT_EQ(sets.labelled->label(i), stl_label(i));
  }
  for (int64_t i = 0; i < 4; ++i) {
    expect_pixels(*sets.test, i, 96, kTest + i);
    EXPECT_EQ(sets.test->label(i), stl_label(i));
  }
  EXPECT_EQ(sets.train->factors()[0].name, "label");
  EXPECT_EQ(sets.train->factors()[0].num_values, 10);
}

TEST(BinarySets, Cifar10ReadsBackItsFiveFilesInOrder) {
  const TempFolder folder;
  write_cifar10(folder.path(), 2, 3);
  const DataSets sets = open_set("CIFAR10", folder.path());
  ASSERT_EQ(sets.train->size(), 10);
  EXPECT_EQ(sets.labelled, sets.train);
  ASSERT_EQ(sets.test->size(), 3);
  for (int64_t i = 0; i < 10; ++i) {
    expect_pixels(*sets.train, i, 32, i);
    EXPECT_EQ(sets.train->label(i), cifar10_label(i));
  }
  for (int64_t i = 0; i < 3; ++i) {
    expect_pixels(*sets.test, i, 32, kTest + i);
    EXPECT_EQ(sets.test->label(i), cifar10_label(i));
  }
  EXPECT_EQ(sets.train->factors()[0].num_values, 10);
}

TEST(BinarySets, Cifar100TakesTheFineLabel) {
  const TempFolder folder;
  write_cifar100(folder.path(), 6, 2);
  const DataSets sets = open_set("CIFAR100", folder.path());
  ASSERT_EQ(sets.train->size(), 6);
  EXPECT_EQ(sets.labelled, sets.train);
  ASSERT_EQ(sets.test->size(), 2);
  for (int64_t i = 0; i < 6; ++i) {
    expect_pixels(*sets.train, i, 32, i);
    EXPECT_EQ(sets.train->label(i), cifar100_label(i));
  }
  expect_pixels(*sets.test, 1, 32, kTest + 1);
  EXPECT_EQ(sets.train->factors()[0].num_values, 100);
}

TEST(BinarySets, ImagesAreUsedWhereTheyLie) {
  const TempFolder folder;
  write_stl(folder.path(), 2, 1, 1);
  const DataSets sets = open_set("STL", folder.path());
  std::vector<uint8_t> scratch;
  const Image first = sets.train->image(0, scratch), second = sets.train->image(1, scratch);
  EXPECT_TRUE(scratch.empty());
  EXPECT_EQ(second.pixels - first.pixels, 3 * 96 * 96);
  EXPECT_EQ(first.row_stride, 1);
  EXPECT_EQ(first.column_stride, 96);
}

TEST(BinarySets, AnImageBeyondTheEndIsAFaultOfTheProgram) {
  const TempFolder folder;
  write_cifar100(folder.path(), 2, 1);
  const DataSets sets = open_set("CIFAR100", folder.path());
  std::vector<uint8_t> scratch;
  EXPECT_THROW(sets.train->image(2, scratch), c10::IndexError);
  EXPECT_THROW(sets.train->image(-1, scratch), c10::IndexError);
}

// The file and what is done to it, and the words that the message must hold besides the file's
// name.
struct Damage {
  std::string set, file;
  std::function<void(Bytes&)> change;  // none: the file is removed
  std::vector<std::string> words;
};

class DamagedFile : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedFile, IsReportedWithItsPlace) {
  const TempFolder folder;
  write_stl(folder.path(), 3, 2, 2);
  write_cifar10(folder.path(), 2, 2);
  write_cifar100(folder.path(), 3, 2);
  const Damage& damage = GetParam();
  EXPECT_NO_THROW(open_set(damage.set, folder.path()));
  const fs::path path = folder.path() / damage.file;
  damage_file(path, damage.change);
  auto words = damage.words;
  words.push_back(path.string());
  expect_user_error([&] { open_set(damage.set, folder.path()); }, words);
}

std::function<void(Bytes&)> resize_to(size_t size) {
  return [size](Bytes& bytes) { bytes.resize(size, 1); };
}
std::function<void(Bytes&)> put(size_t place, uint8_t value) {
  return [place, value](Bytes& bytes) { bytes.at(place) = value; };
}

std::vector<Damage> damages() {
  const std::string stl = "stl10_binary/", ten = "cifar-10-batches-bin/",
                    hundred = "cifar-100-binary/";
  std::vector<Damage> all;
  for (const char* name : {"train_X", "train_y", "test_X", "test_y", "unlabeled_X"}) {
    all.push_back({"STL", stl + name + ".bin", nullptr, {"no such file", "--data_root"}});
  }
  for (int b = 1; b <= 5; ++b) {
    all.push_back({"CIFAR10",
                   ten + core::cat("data_batch_", b, ".bin"),
                   nullptr,
                   {"no such file", "binary version"}});
  }
  all.push_back({"CIFAR10", ten + "test_batch.bin", nullptr, {"no such file"}});
  all.push_back({"CIFAR100", hundred + "train.bin", nullptr, {"no such file"}});
  all.push_back({"CIFAR100", hundred + "test.bin", nullptr, {"no such file"}});
  const auto add = [&](const char* set, const std::string& file, auto change,
                       std::vector<std::string> words) {
    all.push_back({set, file, change, std::move(words)});
  };
  add("STL", stl + "train_X.bin", resize_to(2 * 27648 + 7),
      {"record 2 at byte 55296", "after 7 bytes", "27648"});
  add("STL", stl + "unlabeled_X.bin", resize_to(2 * 27648 - 1),
      {"record 1 at byte 27648", "after 27647 bytes"});
  add("STL", stl + "unlabeled_X.bin", resize_to(0), {"is empty"});
  add("STL", stl + "train_y.bin", resize_to(4), {"4 labels", "expected 3", "train_X.bin"});
  add("STL", stl + "train_y.bin", resize_to(2), {"2 labels", "expected 3", "train_X.bin"});
  add("STL", stl + "train_y.bin", put(1, 0), {"image 1 at byte 1 is 0", "1..10"});
  add("STL", stl + "test_y.bin", put(0, 11), {"image 0 at byte 0 is 11", "1..10"});
  add("CIFAR10", ten + "data_batch_3.bin", resize_to(3073 + 3072),
      {"record 1 at byte 3073", "after 3072 bytes", "3073"});
  add("CIFAR10", ten + "data_batch_5.bin", resize_to(0), {"is empty"});
  add("CIFAR10", ten + "data_batch_4.bin", put(3073, 10), {"image 1 at byte 3073 is 10", "0..9"});
  add("CIFAR10", ten + "test_batch.bin", put(0, 255), {"image 0 at byte 0 is 255"});
  add("CIFAR100", hundred + "train.bin", resize_to(3074 * 3 + 1),
      {"record 3 at byte 9222", "after 1 bytes", "3074"});
  add("CIFAR100", hundred + "train.bin", put(3074 * 2 + 1, 100),
      {"image 2 at byte 6149 is 100", "0..99"});
  add("CIFAR100", hundred + "test.bin", put(3074, 20), {"image 1 at byte 3074 is 20", "0..19"});
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, DamagedFile, ::testing::ValuesIn(damages()));

TEST(BinarySets, AFolderInPlaceOfAFileIsReported) {
  const TempFolder folder;
  write_cifar100(folder.path(), 1, 1);
  const fs::path path = folder.path() / "cifar-100-binary" / "train.bin";
  fs::remove(path);
  fs::create_directory(path);
  expect_user_error([&] { open_set("CIFAR100", folder.path()); }, {path.string()});
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// STL's real sizes, as files with holes.
TEST(BinarySets, OpeningAllOfStlTakesNoMemory) {
  const TempFolder folder;
  write_stl(folder.path(), 1, 1, 1);
  const fs::path stl = folder.path() / "stl10_binary";
  fs::resize_file(stl / "train_X.bin", 5000 * 27648);
  fs::resize_file(stl / "unlabeled_X.bin", uintmax_t{100000} * 27648);
  fs::resize_file(stl / "test_X.bin", 8000 * 27648);
  write_file(stl / "train_y.bin", Bytes(5000, 1));
  write_file(stl / "test_y.bin", Bytes(8000, 10));
  const int64_t before = resident_bytes();
  const auto start = std::chrono::steady_clock::now();
  const DataSets sets = open_set("STL", folder.path());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const int64_t grown = resident_bytes() - before;
  std::cout << "opened in " << took.count() << " ms, resident memory + " << grown / 1024
            << " KiB\n";
  EXPECT_EQ(sets.train->size(), 105000);
  EXPECT_LT(grown, 8 << 20);  // 105,000 labels are 0.8 MiB, twice while they are put together
  std::vector<uint8_t> scratch;
  EXPECT_EQ(value_at(sets.train->image(104999, scratch), 2, 95, 95), 0);
}

}  // namespace
}  // namespace ipirm::data
