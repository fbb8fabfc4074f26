// A training run small enough for tests: 48 random images, a narrow ResNet-18, batches of 16.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <unistd.h>

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
#include "ipirm/eval/knn_evaluation.h"
#include "ipirm/observe/console.h"
#include "ipirm/observe/metrics_lines.h"
#include "ipirm/observe/partition_files.h"
#include "ipirm/observe/reference_texts.h"
#include "ipirm/observe/text_files.h"
#include "ipirm/train/run_folder.h"
#include "ipirm/train/trainer.h"

namespace ipirm::train {

// A folder for the runs of one test.
class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    core::set_log_level(core::LogLevel::kWarning);
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
  explicit SmallRun(const std::filesystem::path& path, ExistingRun existing = ExistingRun::kRefuse,
                    torch::Device run_device = torch::kCPU)
      : device(run_device) {
    torch::manual_seed(1);
    model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    model->to(device);
    model::use_channels_last(*model);
    state.emplace(RunState{model,
                           ops::Adam(model->parameters(), {.lr = 1e-3}),
                           partition::PartitionSet(true, device),
                           {}});
    state->source = "search";
    options.epochs = 4;
    options.batch_size = 16;
    options.penalty_weight = .2;
    options.maximize_iter = 2;
    options.eval_every = 2;
    options.save_every = 2;
    options.log_every = 2;
    options.retain_group = true;
    loss.keep_cont = true;
    maximize.offline = true;
    maximize.random_init = true;
    maximize.passes = 3;
    maximize.risk.balance.constrain = true;
    auto set = std::make_shared<RandomImages>(48);
    sets = {set, set, std::make_shared<RandomImages>(12)};
    views.set = set;
    views.augment.crop_size = 8;
    views.loader.workers = 2;
    views.loader = data::for_device(views.loader, device);
    folder.emplace(path, existing);
    texts = std::make_shared<observe::TextFiles>(path, existing == ExistingRun::kResume);
    log_sink = texts->open("log.txt");
    knn_sink = texts->open("knn_result.txt");
    metrics_sink = texts->open("metrics.jsonl");
  }

  // What the state is saved as; `state` and `texts` must be what they will be in the run.
  StateStore& store() {
    if (!store_) {
      auto parts = parts_of(*state);
      parts.push_back(texts);
      parts.insert(parts.end(), more_parts.begin(), more_parts.end());
      store_.emplace(folder->path(), std::move(parts));
    }
    return *store_;
  }

  // Goes on from the newest state, as --resume does: false where there is none yet.
  bool resume() {
    if (store().load()) return true;
    texts->clear();
    return false;
  }

  Trainer trainer() {
    TrainerParts parts;
    parts.step = make_step(loss, {.retain_group = options.retain_group,
                                  .bf16 = options.bf16,
                                  .seed = options.seed,
                                  .group = views.group});
    const auto& source = state->source;
    if (source == "search")
      parts.source = make_search(maximize, views, options.batch_size, options.bf16);
    else if (source == "random")
      parts.source = make_random_source(maximize, *views.set);
    else
      parts.source = make_factor_source(source.substr(source.find(':') + 1), maximize, *views.set);
    if (sets.test) {
      const eval::RunOptions run{
          device,     options.bf16, views.loader, options.batch_size, views.augment.crop_size,
          views.group};
      parts.evaluations.push_back(eval::make_knn_evaluation(sets.labelled, sets.test, {}, run));
    }
    for (auto& evaluation : more_evaluations) parts.evaluations.push_back(std::move(evaluation));
    more_evaluations.clear();
    std::vector<std::shared_ptr<Observer>> observers = {
        std::make_shared<observe::PartitionFiles>(folder->path(), state->data),
        std::make_shared<observe::ReferenceTexts>(log_sink, knn_sink),
        std::make_shared<observe::MetricsLines>(metrics_sink),
        std::make_shared<observe::Console>()};
    observers.insert(observers.end(), more_observers.begin(), more_observers.end());
    parts.observers = Observers(std::move(observers));
    return Trainer(options, maximize.num_env, std::move(parts), views, *state, store(), device);
  }
  // Ends the run as the end of its process would: another may then use the folder.
  void close() {
    store_.reset();
    folder.reset();
  }

  torch::Device device;
  TrainOptions options;
  partition::MaximizeOptions maximize;
  loss::LossOptions loss;
  data::DataSets sets;
  ViewSource views;
  std::optional<RunState> state;
  std::optional<RunFolder> folder;
  std::shared_ptr<observe::TextFiles> texts;
  std::vector<std::unique_ptr<eval::Evaluation>> more_evaluations;
  checkpoint::StateParts more_parts;
  std::vector<std::shared_ptr<Observer>> more_observers;
  observe::LineSink log_sink, knn_sink, metrics_sink;

 private:
  std::optional<StateStore> store_;
};

}  // namespace ipirm::train
