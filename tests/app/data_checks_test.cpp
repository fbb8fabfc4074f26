// The programs and their data: --check_data, test images looked at before training, other data
// between stop and resume, partitions of other data, data that nothing can be tested on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "app/programs.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/files.h"
#include "train/earlier_versions.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DataChecks : public ProgramTest {
 protected:
  fs::path run_path(const std::string& dataset) const { return root_ / "results" / dataset / "x"; }

  // One epoch of two steps, without kNN.
  Outcome train_small(const std::string& dataset, const Words& more = {}) const {
    return train(small_run("--maximize_passes 1 --eval_every 9 --dataset " + dataset) + more);
  }
  Outcome linear_small(const std::string& model, const Words& more = {}) const {
    return linear(small_evaluation("--dataset Folder --batch_size 4") +
                  Words{"--model_path", model} + more);
  }
};

void change_bytes(const fs::path& path, const std::function<void(test_sets::Bytes&)>& change) {
  auto bytes = test_sets::read_bytes(path);
  change(bytes);
  test_sets::write_file(path, bytes);
}

void cut_off(const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); }

int64_t num_lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST_F(DataChecks, CheckDataListsAllThatIsWrongInBothParts) {
  test_sets::write_folder(root_ / "data", 4);
  const Words check = {"--check_data", "--dataset", "Folder", "--data_root",
                       path("data"),   "--workers", "2"};
  for (const auto& program : {train, linear}) {
    const auto good = program(check);
    EXPECT_EQ(good.code, 0) << good.err;
    EXPECT_THAT(good.out, AllOf(HasSubstr("12 training, 12 test"), HasSubstr("in order")));
  }
  cut_off(root_ / "data/train/apple/0001.jpg");
  test_sets::write_file(root_ / "data/train/cat/0002.png", {'n', 'o'});
  test_sets::write_file(root_ / "data/train/cat/0003.jpg", {});
  cut_off(root_ / "data/test/bee/0000.png");
  for (const auto& program : {train, linear}) {
    const auto outcome = program(check);
    EXPECT_EQ(outcome.code, kExitUserError);
    EXPECT_EQ(num_lines(outcome.err), 5) << outcome.err;
    size_t place = 0;  // in the order of the parts and of their images
    for (const char* part : {"train/apple/0001.jpg", "train/cat/0002.png", "train/cat/0003.jpg",
                             "test/bee/0000.png", "4 faults"}) {
      const auto found = outcome.err.find(part, place);
      ASSERT_NE(found, std::string::npos) << part << " in " << outcome.err;
      place = found;
    }
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);  // data
}

TEST_F(DataChecks, CheckDataReadsTheOtherSetsToo) {
  test_sets::write_stl(root_ / "data", 8, 6, 6);
  const auto outcome = train({"--check_data", "--dataset", "STL", "--data_root", path("data")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("14 training, 8 labelled, 6 test images of STL"));
  fs::resize_file(root_ / "data/stl10_binary/test_X.bin", 100000);
  expect_refused(train({"--check_data", "--dataset", "STL", "--data_root", path("data")}),
                 {"test_X.bin"});
}

TEST_F(DataChecks, DamagedTestImagesAreFoundBeforeTraining) {
  test_sets::write_folder(root_ / "data", 5);
  ASSERT_EQ(train_small("Folder", {"--name", "good", "--max_steps", "1"}).code, 0);
  cut_off(root_ / "data/test/cat/0001.jpg");
  expect_refused(train_small("Folder"), {"test/cat/0001.jpg", "only such", "--check_data"});
  cut_off(root_ / "data/test/bee/0002.png");
  expect_refused(train_small("Folder"), {"test/bee/0002.png", "one of 2"});
  expect_refused(linear_small(path("results/Folder/good/model_1.pt"), {"--txt"}),
                 {"test/bee/0002.png", "one of 2"});
  EXPECT_FALSE(fs::exists(run_path("Folder")));
  EXPECT_FALSE(fs::exists(root_ / "downstream"));
}

constexpr int kRecord = 1 + 3 * 32 * 32;

// Each kind of other data between stop and resume; the run's files stay as they were.
TEST_F(DataChecks, ResumeRefusesOtherDataAndNamesWhatDiffers) {
  test_sets::write_cifar10(root_ / "data", 3, 6);
  const fs::path batches = root_ / "data/cifar-10-batches-bin";
  ASSERT_EQ(train_small("CIFAR10", {"--max_steps", "1"}).code, 0);
  EXPECT_FALSE(fs::exists(run_path("CIFAR10") / "samples.csv"));
  const auto state = core::read_file(run_path("CIFAR10") / "state.pt", 1 << 28);
  const auto refused = [&](const std::string& file, auto change, const std::string& words) {
    const auto before = test_sets::read_bytes(batches / file);
    change_bytes(batches / file, change);
    expect_refused(train_small("CIFAR10", {"--resume"}), {"state.pt", "other data", words});
    test_sets::write_file(batches / file, before);
  };
  using Bytes = test_sets::Bytes;
  refused(
      "data_batch_1.bin", [](Bytes& b) { b[kRecord] = (b[kRecord] + 1) % 10; }, "in the labels");
  refused(
      "data_batch_2.bin", [](Bytes& b) { b[kRecord + 1] ^= 1; }, "in the content of the images");
  refused(
      "data_batch_3.bin",
      [](Bytes& b) { std::swap_ranges(b.begin(), b.begin() + kRecord, b.begin() + kRecord); },
      "the labels or their order and the content");
  refused(
      "data_batch_5.bin", [](Bytes& b) { b.resize(2 * kRecord); },
      "the number of images (was 15, now 14)");
  EXPECT_EQ(core::read_file(run_path("CIFAR10") / "state.pt", 1 << 28), state);
  // Test images may change, and so may the place of all.
  change_bytes(batches / "test_batch.bin", [](Bytes& b) { b[1] ^= 1; });
  fs::rename(root_ / "data", root_ / "moved");
  const auto outcome = train_small("CIFAR10", {"--resume", "--data_root", path("moved")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(DataChecks, ResumeNoticesOtherFilesInAFolder) {
  test_sets::write_folder(root_ / "data", 5);
  const fs::path train = root_ / "data/train";
  ASSERT_EQ(train_small("Folder", {"--max_steps", "1"}).code, 0);
  const auto samples = read("results/Folder/x/samples.csv");
  EXPECT_EQ(num_lines(samples), 16);
  EXPECT_THAT(samples, AllOf(HasSubstr("index,path,label,class\n0,train/apple/0000.png,0,apple\n"),
                             HasSubstr("\n14,train/cat/0004.png,2,cat\n")));
  fs::rename(train / "bee/0001.jpg", train / "bee/0001_.jpg");
  expect_refused(train_small("Folder", {"--resume"}), {"in the file names or their order"});
  fs::rename(train / "bee/0001_.jpg", train / "bee/0001.jpg");
  fs::copy(train / "bee/0001.jpg", train / "bee/0009.jpg");
  expect_refused(train_small("Folder", {"--resume"}), {"was 15, now 16"});
  EXPECT_EQ(read("results/Folder/x/samples.csv"), samples);
  // A new run on the other data lists those.
  ASSERT_EQ(train_small("Folder", {"--overwrite", "--max_steps", "1"}).code, 0);
  EXPECT_EQ(num_lines(read("results/Folder/x/samples.csv")), 17);
}

// A run of before the fingerprint: its state has none, its configuration not every setting of
// today.
TEST_F(DataChecks, ARunOfTheVersionBeforeIsResumed) {
  test_sets::write_folder(root_ / "data", 5);
  ASSERT_EQ(train_small("Folder", {"--max_steps", "1"}).code, 0);
  const auto run = run_path("Folder");
  checkpoint::write_torch_file(run / "state.pt",
                               test::as_version(2, checkpoint::read_torch_file(run / "state.pt")));
  fs::remove(run / "samples.csv");
  std::string yaml;
  std::istringstream lines(read("results/Folder/x/config.yaml"));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("partition_any_data:", 0) != 0 && line.rfind("image_size:", 0) != 0)
      yaml += line + '\n';
  core::write_atomically(run / "config.yaml", yaml);
  const auto other = train_small("Folder", {"--resume", "--image_size", "64"});
  expect_refused(other, {"image_size (was 96, now 64)"});
  const auto outcome = train_small("Folder", {"--resume", "--log_level", "info"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no fingerprint of the data"));
  EXPECT_TRUE(fs::exists(run / "model_1.pt"));
  EXPECT_TRUE(fs::exists(run / "samples.csv"));
}

TEST_F(DataChecks, APartitionOfOtherDataNeedsAWordOfConsent) {
  test_sets::write_folder(root_ / "data", 5);
  expect_refused(train_small("Folder", {"--partition_any_data"}), {"--partition", "not given"});
  ASSERT_EQ(train_small("Folder", {"--max_steps", "1"}).code, 0);
  const auto partition = path("results/Folder/x/GroupResults_0.npy");
  const auto with = [&](const std::string& file, const Words& more = {}) {
    return train_small(
        "Folder",
        Words{"--overwrite", "--name", "y", "--max_steps", "1", "--partition", file} + more);
  };
  EXPECT_EQ(with(partition).code, 0);
  fs::rename(root_ / "data/train/bee/0001.jpg", root_ / "data/train/bee/0001_.jpg");
  expect_refused(with(partition), {"GroupResults_0.npy", "file names", "--partition_any_data"});
  const auto taken = with(partition, {"--partition_any_data"});
  EXPECT_EQ(taken.code, 0) << taken.err;
  EXPECT_THAT(taken.err, HasSubstr("taken all the same"));
  // The run is repeated from its own configuration.
  EXPECT_EQ(train({"--config", path("results/Folder/y/config.yaml"), "--name", "z"}).code, 0);
  // A file of another program has no fingerprint beside it.
  checkpoint::write_npy(root_ / "own.npy", torch::randn({15, 2}));
  EXPECT_EQ(with(path("own.npy")).code, 0);
}

// Warnings are one line each; the line about what a folder leaves out is not among them here.
void expect_trained_without_knn(const Outcome& outcome, const fs::path& run,
                                const std::string& why) {
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(num_lines(outcome.err), 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(why), HasSubstr("no kNN")));
  EXPECT_EQ(fs::file_size(run / "knn_result.txt"), 0u);
  EXPECT_THAT(core::read_file(run / "metrics.jsonl", 1 << 20), Not(HasSubstr("\"knn\"")));
  EXPECT_TRUE(fs::exists(run / "model_1.pt"));
}

TEST_F(DataChecks, WithoutATestSplitNothingIsTested) {
  test_sets::write_folder(root_ / "data", 5);
  fs::remove_all(root_ / "data/test");
  expect_trained_without_knn(train_small("Folder", {"--eval_every", "1"}), run_path("Folder"),
                             "no test split");
  expect_refused(linear_small(path("results/Folder/x/model_1.pt")),
                 {"nothing to measure", "no test split", "--data_root"});
  const auto checked = linear({"--check_data", "--dataset", "Folder", "--data_root", path("data")});
  EXPECT_EQ(checked.code, kExitUserError);
  EXPECT_THAT(checked.err, AllOf(HasSubstr("no test split"), HasSubstr("1 fault")));
}

TEST_F(DataChecks, WithOneClassNothingIsTested) {
  test_sets::write_folder(root_ / "data", 7);
  for (const char* part : {"train", "test"}) {
    fs::remove_all(root_ / "data" / part / "bee");
    fs::remove_all(root_ / "data" / part / "cat");
  }
  expect_trained_without_knn(train_small("Folder", {"--eval_every", "1"}), run_path("Folder"),
                             "of one class");
  expect_refused(linear_small(path("results/Folder/x/model_1.pt")),
                 {"nothing to measure", "of one class"});
}

TEST_F(DataChecks, ImagesInTrainItselfAreTrainedOn) {
  for (int64_t i = 0; i < 7; ++i) {
    test_sets::write_image(root_ / "data/train" / (std::to_string(i) + ".png"), 20, 20,
                           [i](int c, int y, int x) { return test_sets::pixel(i, c, y, x); });
  }
  expect_trained_without_knn(train_small("Folder", {"--eval_every", "1"}), run_path("Folder"),
                             "no test split");
  EXPECT_THAT(read("results/Folder/x/samples.csv"), HasSubstr("\n0,train/0.png,0,\n"));
}

}  // namespace
}  // namespace ipirm::app
