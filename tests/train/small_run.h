// A training run small enough for tests: 48 random images, a narrow ResNet-18, batches of 16.
#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/train/trainer.h"

namespace ipirm::train {

// A folder for the runs of one test.
class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    core::set_log_level("warning");
    torch::set_num_threads(1);
    root_ = std::filesystem::temp_directory_path() / core::cat("ipirm_run_", ::getpid());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static std::vector<std::string> lines(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  // Events as text without their wall times and rates.
  static std::vector<std::string> events(const std::filesystem::path& folder) {
    std::vector<std::string> all;
    for (const auto& line : lines(folder / "metrics.jsonl")) {
      auto event = nlohmann::ordered_json::parse(line);
      event.erase("seconds");
      event.erase("samples_per_second");
      all.push_back(event.dump());
    }
    return all;
  }
  static void expect_same_weights(const model::Model& a, const model::Model& b) {
    const auto x = checkpoint::state_dict(*a), y = checkpoint::state_dict(*b);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_TRUE(torch::equal(x[i].second, y[i].second)) << x[i].first;
  }
  // Weights and partitions to the bit, in memory and in run a's files, and each line of the text
  // files once.
  static void expect_same_run(const std::filesystem::path& path_a, const RunState& a,
                              const std::filesystem::path& path_b, const RunState& b) {
    expect_same_weights(a.model, b.model);
    const auto p = a.partitions.logits(), q = b.partitions.logits();
    ASSERT_EQ(p.size(), q.size());
    for (size_t i = 0; i < p.size(); ++i) EXPECT_TRUE(torch::equal(p[i], q[i])) << i;
    EXPECT_EQ(events(path_a), events(path_b));
    for (const char* name : {"log.txt", "knn_result.txt"})
      EXPECT_EQ(lines(path_a / name), lines(path_b / name)) << name;
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(path_a)) {
      const auto name = file.path().filename();
      if (name.string().rfind("model_", 0) != 0 && name.extension() != ".npy") continue;
      ++files;
      EXPECT_TRUE(core::read_file(file.path(), 1 << 24) == core::read_file(path_b / name, 1 << 24))
          << name;
    }
    EXPECT_GT(files, 1);
  }

  std::filesystem::path root_;
};

// Random 16x16 images of 3 classes that differ in brightness.
class RandomImages : public data::ImageSet {
 public:
  explicit RandomImages(int64_t size) : pixels_(static_cast<size_t>(size * 3 * 16 * 16)) {
    data::Factor factor{"label", 3, {}};
    for (int64_t i = 0; i < size; ++i) {
      factor.values.push_back(i % 3);
      core::KeyedRandom random(5, core::Purpose::kColoredDigits, 0, static_cast<uint64_t>(i));
      for (int64_t k = 0; k < kBytes; ++k) {
        pixels_[static_cast<size_t>(i * kBytes + k)] =
            static_cast<uint8_t>(random.below(100) + 70 * static_cast<uint32_t>(i % 3));
      }
    }
    factors_ = {factor};
  }
  int64_t size() const override { return static_cast<int64_t>(factors_[0].values.size()); }
  data::Image image(int64_t i, std::vector<uint8_t>&) const override {
    return {pixels_.data() + i * kBytes, 16, 16, 256, 16, 1};
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }

 private:
  static constexpr int64_t kBytes = 3 * 16 * 16;
  std::vector<uint8_t> pixels_;
  std::vector<data::Factor> factors_;
};

// Everything a Trainer needs, in one place.
struct SmallRun {
  explicit SmallRun(const std::filesystem::path& path,
                    ExistingRun existing = ExistingRun::kRefuse) {
    torch::manual_seed(1);
    model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    model::use_channels_last(*model);
    state.emplace(RunState{model,
                           ops::Adam(model->parameters(), {.lr = 1e-3}),
                           partition::PartitionSet(true, torch::kCPU),
                           {}});
    options.train.epochs = 4;
    options.train.batch_size = 16;
    options.train.penalty_weight = .2;
    options.train.maximize_iter = 2;
    options.train.eval_every = 2;
    options.train.save_every = 2;
    options.train.log_every = 2;
    options.train.retain_group = true;
    loss.keep_cont = true;
    options.maximize.offline = true;
    options.maximize.random_init = true;
    options.maximize.passes = 3;
    options.maximize.risk.balance.constrain = true;
    auto set = std::make_shared<RandomImages>(48);
    sets = {set, set, std::make_shared<RandomImages>(12)};
    views.set = set;
    views.augment.crop_size = 16;
    views.loader.workers = 2;
    views.loader.channels_last = true;
    folder.emplace(path, existing);
  }

  // Goes on from the newest state, as --resume does: false where there is none yet.
  bool resume() {
    const auto saved = folder->load_state();
    if (saved) restore(*state, saved->first, saved->second);
    folder->continue_texts(saved ? saved->first.text_sizes : std::array<uint64_t, 3>{});
    return saved.has_value();
  }

  Trainer trainer() {
    auto step = make_step(loss, {.retain_group = options.train.retain_group,
                                 .bf16 = options.train.bf16,
                                 .seed = options.train.seed});
    return Trainer(options, std::move(step), sets, views, *state, *folder, torch::kCPU);
  }

  TrainerOptions options;
  loss::LossOptions loss;
  data::DataSets sets;
  ViewSource views;
  std::optional<RunState> state;
  std::optional<RunFolder> folder;
};

}  // namespace ipirm::train
