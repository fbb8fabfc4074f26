// What a run keeps of its data: the fingerprint in its state and beside its partitions,
// samples.csv; and runs on data that nothing can be tested on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "ipirm/data/fingerprint.h"
#include "ipirm/observe/partition_files.h"
#include "support/user_error.h"
#include "train/earlier_versions.h"
#include "train/small_run.h"

namespace ipirm::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A run of one epoch that knows its data.
struct KnownRun : SmallRun {
  explicit KnownRun(const fs::path& path, ExistingRun existing = ExistingRun::kRefuse)
      : SmallRun(path, existing) {
    options.epochs = options.save_every = 1;
    state->data = data::fingerprint_of(*sets.train);
  }
};

using RunDataTest = RunTest;

TEST_F(RunDataTest, OtherDataAreRefusedBeforeTheStateIsTouched) {
  ASSERT_TRUE(KnownRun(root_ / "a").trainer().run());
  {
    KnownRun again(root_ / "a", ExistingRun::kResume);
    EXPECT_TRUE(again.resume());
    EXPECT_EQ(again.state->position.epoch, 2);
  }
  KnownRun other(root_ / "a", ExistingRun::kResume);
  other.state->data = data::fingerprint_of(RandomImages(32));
  const auto before = checkpoint::state_dict(*other.state->model)[0].second.clone();
  EXPECT_THAT(test::user_error([&] { other.resume(); }),
              AllOf(HasSubstr("state.pt"), HasSubstr("number of images (was 48, now 32)"),
                    HasSubstr("--overwrite")));
  EXPECT_EQ(other.state->position.epoch, 1);
  EXPECT_TRUE(torch::equal(checkpoint::state_dict(*other.state->model)[0].second, before));
}

TEST_F(RunDataTest, StatesOfEarlierVersionsGoOnToTheSameBits) {
  KnownRun whole(root_ / "whole");
  whole.options.epochs = 4;
  ASSERT_TRUE(whole.trainer().run());
  for (const int64_t version : {1, 2, 3}) {
    SCOPED_TRACE(version);
    const auto path = root_ / core::cat("version", version);
    {
      KnownRun first(path);
      first.options.epochs = 4;
      first.options.max_steps = 5;
      ASSERT_FALSE(first.trainer().run());
    }
    checkpoint::write_torch_file(
        path / "state.pt",
        test::as_version(version, checkpoint::read_torch_file(path / "state.pt")));
    std::ofstream(path / "log.txt", std::ios::app) << "a line that the state does not know\n";
    KnownRun second(path, ExistingRun::kResume);
    second.options.epochs = 4;
    ASSERT_TRUE(second.resume());
    ASSERT_TRUE(second.trainer().run());
    expect_same_run(root_ / "whole", *whole.state, path, *second.state);
  }
}

TEST_F(RunDataTest, AStateWithoutAFingerprintResumesWithALine) {
  KnownRun first(root_ / "a");
  ASSERT_TRUE(first.trainer().run());
  first.close();
  const auto original = checkpoint::read_torch_file(root_ / "a" / "state.pt");
  for (const int64_t version : {1, 2}) {
    checkpoint::write_torch_file(root_ / "a" / "state.pt", test::as_version(version, original));
    KnownRun again(root_ / "a", ExistingRun::kResume);
    core::set_log_level(core::LogLevel::kInfo);
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(again.resume());
    const auto said = ::testing::internal::GetCapturedStdout();
    core::set_log_level(core::LogLevel::kWarning);
    EXPECT_THAT(said, HasSubstr("kept no fingerprint of the data")) << version;
    EXPECT_EQ(again.state->position.epoch, 2);
    expect_same_weights(first.state->model, again.state->model);
  }
}

TEST_F(RunDataTest, ADamagedFingerprintIsADamagedState) {
  ASSERT_TRUE(KnownRun(root_ / "a").trainer().run());
  auto tensors = checkpoint::read_torch_file(root_ / "a" / "state.pt");
  for (auto& [name, tensor] : tensors) {
    if (name == "data.fingerprint") tensor = tensor.slice(0, 0, 5);
  }
  checkpoint::write_torch_file(root_ / "a" / "state.pt", tensors);
  EXPECT_THAT(test::user_error([&] { read_run_state(root_ / "a" / "state.pt"); }),
              HasSubstr("fingerprint of its data is of an unknown form"));
}

// A newest state whose counters no run can have gives way to the one before.
TEST_F(RunDataTest, ADamagedPositionIsADamagedState) {
  KnownRun first(root_ / "a");
  first.options.epochs = 2;
  ASSERT_TRUE(first.trainer().run());
  first.close();
  const auto state = root_ / "a" / "state.pt";
  for (const int64_t counter : {0, 1, 2, 3}) {
    auto tensors = checkpoint::read_torch_file(state);
    for (auto& [name, tensor] : tensors) {
      if (name == "position") tensor[counter] = counter == 1 ? 3 : -1;
    }
    checkpoint::write_torch_file(root_ / "damaged.pt", tensors);
    EXPECT_THAT(test::user_error([&] { read_run_state(root_ / "damaged.pt"); }),
                HasSubstr("the counters in 'position' are out of range"))
        << counter;
  }
  fs::rename(root_ / "damaged.pt", state);
  KnownRun again(root_ / "a", ExistingRun::kResume);
  ASSERT_TRUE(again.resume());
  EXPECT_EQ(again.state->position.epoch, 2);  // of state_previous.pt, saved after epoch 1
}

TEST_F(RunDataTest, APartitionKnowsItsData) {
  ASSERT_TRUE(KnownRun(root_ / "a").trainer().run());
  const auto partition = root_ / "a" / "GroupResults_0.npy";
  const auto same = data::fingerprint_of(RandomImages(48));
  EXPECT_TRUE(fs::exists(root_ / "a" / "GroupResults_0.npy.data"));
  EXPECT_EQ(observe::difference_from_partition(partition, same), "");
  EXPECT_THAT(observe::difference_from_partition(partition, data::fingerprint_of(RandomImages(47))),
              HasSubstr("was 48, now 47"));
  core::write_atomically(observe::data_of_partition(partition), "images 48\n");
  EXPECT_THAT(test::user_error([&] { observe::difference_from_partition(partition, same); }),
              HasSubstr("GroupResults_0.npy.data"));
  fs::remove(observe::data_of_partition(partition));  // of another program
  EXPECT_EQ(observe::difference_from_partition(partition, data::fingerprint_of(RandomImages(47))),
            "");
}

// Images under names as a folder gives them.
struct NamedImages : RandomImages {
  explicit NamedImages(std::vector<std::string> given)
      : RandomImages(static_cast<int64_t>(given.size())), names(std::move(given)) {}
  std::string name(int64_t i) const override { return names[static_cast<size_t>(i)]; }
  std::vector<std::string> names;
};

TEST_F(RunDataTest, SamplesAreListedOnceAndQuoted) {
  const NamedImages set({"train/a/1.png", "train/b, c/x/2.png", "train/say \"d\"/3.png",
                         "train/e\nf/4.png", "train/5.png"});
  const KnownRun run(root_ / "a");
  const auto path = root_ / "a" / "samples.csv";
  run.folder->write_samples(*run.sets.train, /*replace=*/true);
  EXPECT_FALSE(fs::exists(path));  // these have no names
  run.folder->write_samples(set, /*replace=*/false);
  const std::string expected =
      "index,path,label,class\n"
      "0,train/a/1.png,0,a\n"
      "1,\"train/b, c/x/2.png\",1,\"b, c\"\n"
      "2,\"train/say \"\"d\"\"/3.png\",2,\"say \"\"d\"\"\"\n"
      "3,\"train/e\nf/4.png\",0,\"e\nf\"\n"
      "4,train/5.png,1,\n";
  EXPECT_EQ(core::read_file(path, 1000), expected);
  const NamedImages other({"train/z/1.png"});
  run.folder->write_samples(other, /*replace=*/false);
  EXPECT_EQ(core::read_file(path, 1000), expected);
  run.folder->write_samples(other, /*replace=*/true);
  EXPECT_EQ(core::read_file(path, 1000), "index,path,label,class\n0,train/z/1.png,0,z\n");
}

// The new files are a run's as well: a folder that holds one is refused, and --overwrite removes
// it.
TEST_F(RunDataTest, TheFilesAreTheRuns) {
  for (const char* name : {"samples.csv", "samples.csv.tmp", "GroupResults_12.npy.data",
                           "GroupResults_12.npy.data.tmp"}) {
    fs::create_directories(root_ / name);
    core::write_atomically(root_ / name / name, "x");
    EXPECT_THAT(test::user_error([&] { RunFolder(root_ / name, ExistingRun::kRefuse); }),
                HasSubstr(name));
    RunFolder(root_ / name, ExistingRun::kOverwrite);
    EXPECT_FALSE(fs::exists(root_ / name / name));
  }
}

TEST_F(RunDataTest, WithoutATestSetThereIsNoEvaluation) {
  SmallRun run(root_ / "a");
  run.options.epochs = 2;
  run.sets.test.reset();
  EXPECT_TRUE(run.trainer().run());
  EXPECT_TRUE(fs::exists(root_ / "a" / "model_2.pt"));
  EXPECT_EQ(fs::file_size(root_ / "a" / "knn_result.txt"), 0u);
  for (const auto& event : events(root_ / "a"))
    EXPECT_EQ(event.find("\"knn\""), std::string::npos) << event;
}

}  // namespace
}  // namespace ipirm::train
