// Fingerprints of data: what they notice, what they leave out, how they are kept, and what they
// cost.
#include "ipirm/data/fingerprint.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>

#include "data/expectations.h"
#include "data/write_sets.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;

Fingerprint fingerprint(const std::string& dataset, const fs::path& root) {
  return fingerprint_of(
      *open_data_sets({core::find_kind<DataSetKind>(dataset).value(), root.string()}).train);
}

void write_set(const std::string& dataset, const fs::path& root) {
  if (dataset == "STL") write_stl(root, 20, 30, 5);
  if (dataset == "CIFAR10") write_cifar10(root, 4, 5);
  if (dataset == "CIFAR100") write_cifar100(root, 20, 5);
  if (dataset == "Folder") write_folder(root, 4);
}

void change_bytes(const fs::path& path, const std::function<void(Bytes&)>& change) {
  Bytes bytes = read_bytes(path);
  change(bytes);
  write_file(path, bytes);
}

// A change of a data set and what it must be called; `words` empty: it is not noticed.
struct Change {
  std::string name, dataset;
  std::function<void(const fs::path&)> make;
  std::string words;
};

class Changed : public ::testing::TestWithParam<Change> {};

TEST_P(Changed, IsNamed) {
  const Change& change = GetParam();
  const TempFolder folder;
  write_set(change.dataset, folder.path());
  const Fingerprint before = fingerprint(change.dataset, folder.path());
  EXPECT_EQ(difference(before, fingerprint(change.dataset, folder.path())), "");
  change.make(folder.path());
  EXPECT_EQ(difference(before, fingerprint(change.dataset, folder.path())), change.words);
}

constexpr const char* kContent = "the content of the images";
constexpr const char* kStl = "stl10_binary";
constexpr const char* kCifar = "cifar-10-batches-bin";
constexpr int kRecord = 1 + 3 * 32 * 32;

void swap_records(Bytes& bytes) {
  std::swap_ranges(bytes.begin(), bytes.begin() + kRecord, bytes.begin() + 2 * kRecord);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Changed,
    ::testing::Values(
        Change{"StlFewerImages", "STL", [](const fs::path& root) { write_stl(root, 20, 29, 5); },
               "the number of images (was 50, now 49)"},
        Change{"StlALabel", "STL",
               [](const fs::path& root) {
                 change_bytes(root / kStl / "train_y.bin", [](Bytes& b) { b[3] = b[3] % 10 + 1; });
               },
               "the labels or their order"},
        Change{"StlAnUnlabelledImage", "STL",
               [](const fs::path& root) {
                 change_bytes(root / kStl / "unlabeled_X.bin", [](Bytes& b) {
                   for (size_t i = 0; i < 3 * 96 * 96; ++i) b[i] = static_cast<uint8_t>(~b[i]);
                 });
               },
               kContent},
        Change{"StlTestImagesAreNotTrainedOn", "STL",
               [](const fs::path& root) {
                 change_bytes(root / kStl / "test_X.bin", [](Bytes& b) { b[0] ^= 1; });
               },
               ""},
        Change{"CifarOrder", "CIFAR10",
               [](const fs::path& root) {
                 change_bytes(root / kCifar / "data_batch_2.bin", swap_records);
               },
               "the labels or their order and the content of the images"},
        Change{"CifarAnImage", "CIFAR10",
               [](const fs::path& root) {
                 change_bytes(root / kCifar / "data_batch_5.bin",
                              [](Bytes& b) { b[3 * kRecord + 1] ^= 1; });
               },
               kContent},
        Change{"Cifar100Fewer", "CIFAR100",
               [](const fs::path& root) { write_cifar100(root, 19, 5); },
               "the number of images (was 20, now 19)"},
        Change{"FolderAName", "Folder",
               [](const fs::path& root) {
                 fs::rename(root / "train/bee/0001.jpg", root / "train/bee/0001x.jpg");
               },
               "the file names or their order"},
        Change{"FolderAFileMore", "Folder",
               [](const fs::path& root) {
                 fs::copy(root / "train/bee/0001.jpg", root / "train/bee/0009.jpg");
               },
               "the number of images (was 12, now 13)"},
        Change{"FolderTwoImagesChangePlaces", "Folder",
               [](const fs::path& root) {
                 fs::rename(root / "train/bee/0000.png", root / "x");
                 fs::rename(root / "train/cat/0000.png", root / "train/bee/0000.png");
                 fs::rename(root / "x", root / "train/cat/0000.png");
               },
               kContent},
        Change{"FolderAnImageOfAnotherClass", "Folder",
               [](const fs::path& root) {
                 fs::rename(root / "train/bee/0001.jpg", root / "train/apple/0009.jpg");
               },
               "the file names or their order, the labels or their order and the content of the "
               "images"},
        Change{"FolderTestImagesAreNotTrainedOn", "Folder",
               [](const fs::path& root) { fs::remove(root / "test/bee/0001.jpg"); }, ""}),
    [](const auto& test) { return test.param.name; });

TEST(Fingerprint, AMovedFolderIsTheSameData) {
  const TempFolder folder;
  write_folder(folder.path() / "a", 4);
  const Fingerprint before = fingerprint("Folder", folder.path() / "a");
  fs::rename(folder.path() / "a", folder.path() / "b");
  EXPECT_EQ(fingerprint("Folder", folder.path() / "b"), before);
}

// Another size than those of the sampled files, anywhere in a set of more files than are sampled.
TEST(Fingerprint, TheSizeOfEveryFileCounts) {
  const TempFolder folder;
  write_folder(folder.path(), 1);
  for (int i = 0; i < 200; ++i)
    fs::copy(folder.path() / "train/bee/0000.png",
             folder.path() / "train/bee" / ("1" + std::to_string(1000 + i) + ".png"));
  const Fingerprint before = fingerprint("Folder", folder.path());
  for (const char* name : {"11001.png", "11098.png", "11197.png"}) {
    const fs::path path = folder.path() / "train/bee" / name;
    const Bytes bytes = read_bytes(path);
    change_bytes(path, [](Bytes& b) { b.push_back(0); });
    EXPECT_EQ(difference(before, fingerprint("Folder", folder.path())), kContent) << name;
    write_file(path, bytes);
  }
  EXPECT_EQ(fingerprint("Folder", folder.path()), before);
}

TEST(Fingerprint, ComesBackFromTensorAndText) {
  const TempFolder folder;
  write_stl(folder.path(), 5, 5, 5);
  const Fingerprint found = fingerprint("STL", folder.path());
  EXPECT_EQ(found.height, 96);
  EXPECT_EQ(found.images, 10);
  EXPECT_EQ(fingerprint_from(to_tensor(found), "x"), found);
  const fs::path path = folder.path() / "p.npy.data";
  const std::string text = to_text(found);
  write_file(path, Bytes(text.begin(), text.end()));
  EXPECT_EQ(read_fingerprint(path), found);
}

TEST(Fingerprint, AnotherFormIsRefused) {
  const TempFolder folder;
  const fs::path path = folder.path() / "p.npy.data";
  const std::string text = to_text({10, 96, 96, 1, 2, 3});
  for (const std::string& bad :
       {std::string(), std::string("images 10\n"), text.substr(0, text.size() - 3), text + "x",
        "ipirm data fingerprint 2" + text.substr(text.find('\n'))}) {
    write_file(path, Bytes(bad.begin(), bad.end()));
    expect_user_error([&] { read_fingerprint(path); }, {path.string(), "holds no fingerprint"});
  }
  for (const auto& bad : {torch::zeros({7}, torch::kLong), torch::ones({6}, torch::kLong),
                          torch::ones({7}, torch::kFloat), torch::ones({7, 1}, torch::kLong)}) {
    expect_user_error([&] { fingerprint_from(bad, "state.pt"); }, {"state.pt", "unknown form"});
  }
}

// Files of STL-10's sizes that take no room on the disk.
// Resident memory of this process, mapped pages that were touched included.
double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

TEST(Fingerprint, OfAFullStlTouchesFewPages) {
  const TempFolder folder;
  const fs::path stl = folder.path() / kStl;
  for (const auto& [part, count] : {std::pair("train", 5000), std::pair("test", 8000)}) {
    write_file(stl / (std::string(part) + "_y.bin"), Bytes(static_cast<size_t>(count), 1));
    write_file(stl / (std::string(part) + "_X.bin"), {});
    fs::resize_file(stl / (std::string(part) + "_X.bin"), static_cast<uintmax_t>(count) * 27648);
  }
  write_file(stl / "unlabeled_X.bin", {});
  fs::resize_file(stl / "unlabeled_X.bin", uintmax_t{100000} * 27648);
  const auto sets = open_data_sets({DataSetKind::kStl, folder.path().string()});
  const double before = resident_mb();
  const auto start = std::chrono::steady_clock::now();
  const Fingerprint found = fingerprint_of(*sets.train);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(found.images, 105000);
  std::cout << "a fingerprint of 105,000 STL images took " << took.count() << " ms\n";
  EXPECT_LT(resident_mb() - before, 200);  // 2,900 where every page is read
}

}  // namespace
}  // namespace ipirm::data
