// Event files byte by byte, and read back by a reader of the tests' own; cut and continued at a
// resume; what TensorBoard is told of each record.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "data/image_decode.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/inspect/partition_view.h"
#include "ipirm/observe/event_files.h"
#include "ipirm/observe/projector.h"
#include "ipirm/observe/tensorboard.h"
#include "observe/crc32c.h"
#include "observe/events.h"
#include "support/event_reader.h"

namespace ipirm::observe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

// RFC 3720, B.4, and the check value of the catalogues.
TEST(Crc32c, HasThePublishedValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("TensorBoard"), slow_crc32c("TensorBoard"));
}

// Golden bytes, encoded by hand from the format's description and checksummed by another program.
TEST(Events, HaveTheFormatsBytes) {
  EXPECT_EQ(hex(record_of(version_event(1.5))),
            "1800000000000000a37f4b22"
            "09000000000000f83f1a0d627261696e2e4576656e743a32"
            "2a28646c");
  EXPECT_EQ(hex(record_of(scalars_event({.wall_time = 1.5, .step = 300}, {{"loss", .25}}))),
            "1b000000000000001a0d9e13"
            "09000000000000f83f10ac022a0d0a0b0a046c6f7373150000803e"
            "9908deed");
}

class EventFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / core::cat("ipirm_events_", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void add(EventFiles& files, int64_t step) {
    files.append(scalars_event({.wall_time = 1, .step = step}, {{"loss", 1. / 3}}));
  }
  std::vector<int64_t> steps() const {
    std::vector<int64_t> all;
    for (const auto& event : events_in(folder_)) all.push_back(event.step);
    return all;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_))
      all.push_back(entry.path().filename());
    std::ranges::sort(all);
    return all;
  }
  static void load(EventFiles& files, const checkpoint::StateDict& state) {
    checkpoint::SavedTensors saved(state, "state.pt");
    files.load(saved);
    EXPECT_THAT(saved.left(), IsEmpty());
  }

  fs::path folder_;
};

TEST_F(EventFilesTest, AreReadBack) {
  EventFiles files(folder_);
  EXPECT_TRUE(files.empty());
  EXPECT_THAT(names(), IsEmpty());  // none before the first event
  add(files, 0);
  add(files, 300);
  files.append(text_event({.wall_time = 2, .step = 7}, "settings", "| a |"));
  files.append(
      image_event({.wall_time = 3, .step = 8}, "sheet", {.height = 2, .width = 5, .png = "x"}));
  EXPECT_FALSE(files.empty());
  const auto events = events_in(folder_);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].step, 0);
  EXPECT_THAT(events[1].scalars, ElementsAre(Pair("loss", 1.f / 3)));
  EXPECT_EQ(events[1].step, 300);
  EXPECT_THAT(events[2].texts, ElementsAre(Pair("settings", "| a |")));
  EXPECT_EQ(events[3].images.at("sheet").width, 5u);
  EXPECT_EQ(events[3].images.at("sheet").height, 2u);
  EXPECT_EQ(events[3].images.at("sheet").png, "x");
}

// A reader must notice what is damaged; otherwise the tests that use it prove nothing.
TEST_F(EventFilesTest, AChangedByteIsNoticed) {
  {
    EventFiles files(folder_);
    add(files, 1);
  }
  const auto path = folder_ / names().front();
  const auto whole = core::read_file(path, 1 << 20);
  for (size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(path, std::ios::binary) << damaged;
    EXPECT_THROW(EventReader::records(path), std::runtime_error) << at;
  }
}

// Killed after a state was saved, in the middle of a record: no step twice, none lost.
TEST_F(EventFilesTest, AreCutBackToWhatTheStateKnowsAndGoOnInANewFile) {
  checkpoint::StateDict state;
  {
    EventFiles files(folder_);
    for (const int64_t step : {1, 2}) add(files, step);
    state = files.state();
    for (const int64_t step : {3, 4}) add(files, step);
  }
  std::ofstream(folder_ / names().front(), std::ios::binary | std::ios::app) << "half a rec";
  checkpoint::StateDict second;
  {
    EventFiles files(folder_);
    load(files, state);
    EXPECT_THAT(steps(), ElementsAre(1, 2));
    for (const int64_t step : {3, 4, 5}) add(files, step);
    EXPECT_EQ(names().size(), 2u);
    EXPECT_THAT(steps(), ElementsAre(1, 2, 3, 4, 5));
    second = files.state();
    add(files, 6);
  }
  {  // back to the first state, which knows one file of the two; the second's name is not used
     // again
    EventFiles files(folder_);
    load(files, state);
    EXPECT_THAT(steps(), ElementsAre(1, 2));
    add(files, 3);
    EXPECT_THAT(names(), ElementsAre(HasSubstr("000001"), HasSubstr("000003")));
    EXPECT_THAT(steps(), ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(second.size(), 2u);
}

TEST_F(EventFilesTest, OfAStateWithoutEventsAreRemoved) {
  {
    EventFiles files(folder_);
    add(files, 1);
  }
  std::ofstream(folder_ / "events.out.tfevents.1700000000.of-another-program") << "x";
  EventFiles files(folder_);
  load(files, {});
  EXPECT_TRUE(files.empty());
  EXPECT_EQ(names().size(), 1u);  // the other program's
  EXPECT_THAT(files.state(), IsEmpty());
}

TEST_F(EventFilesTest, ThatHaveGoneAreMissedButDoNotStopARun) {
  EventFiles files(folder_);
  add(files, 1);
  const auto state = files.state();
  fs::remove(folder_ / names().front());
  load(files, state);
  add(files, 2);
  EXPECT_EQ(events_in(folder_).back().step, 2);
}

TEST_F(EventFilesTest, AStateOfOtherKindIsRefused) {
  EventFiles files(folder_);
  checkpoint::SavedTensors elsewhere({{"events.../../x", torch::zeros({}, torch::kInt64)}}, "s.pt");
  EXPECT_THROW(files.load(elsewhere), core::UserError);
}

// 100 images of one colour each: image i is red i.
class Reds : public data::ImageSet {
 public:
  Reds() {
    data::Factor factor{"label", 2, {}, {"even", "odd\tone"}};
    for (int64_t i = 0; i < size(); ++i) factor.values.push_back(i % 2);
    factors_ = {factor};
  }
  int64_t size() const override { return 100; }
  data::Image image(int64_t i, std::vector<uint8_t>& scratch) const override {
    scratch.assign(3 * 8 * 4, 0);
    for (size_t k = 0; k < scratch.size(); k += 3) scratch[k] = static_cast<uint8_t>(i);
    return {scratch.data(), 8, 4, 1, 12, 3};
  }
  const std::vector<data::Factor>& factors() const override { return factors_; }

 private:
  std::vector<data::Factor> factors_;
};

// The red of a picture's pixel.
int red_at(const fs::path& folder, const std::string& png, size_t width, size_t y, size_t x) {
  std::ofstream(folder / "x.png", std::ios::binary) << png;
  std::vector<uint8_t> rgb;
  data::decode_image_file((folder / "x.png").string(), 0, rgb);
  return rgb[3 * (y * width + x)];
}

train::MaximizeRecord search() {
  train::MaximizeRecord record;
  record.epoch = 4;
  record.result.passes = 7;
  record.result.best_risk = -3.25;
  record.result.logits = torch::zeros({100, 2});
  record.sizes = {100, 0};
  record.judgement.certainty = .75;
  record.judgement.overlap = .5;
  record.judgement.factors = {{"hue", .25, .5, .5}};
  record.seconds = 2;
  return record;
}

TEST_F(EventFilesTest, TensorBoardIsToldOfEverything) {
  EventFiles files(folder_);
  TensorBoard board([&](const std::string& event) { files.append(event); },
                    {.batch_size = 16, .device = torch::kCPU, .set = std::make_shared<Reds>()});
  train::StepRecord step;
  step.step = 31;
  step.terms = {{"loss", 1.5}, {"distillation", .25}};
  step.lr = .001;
  step.penalty_weight = .2;
  step.seconds = .5;
  board.step(step);
  step.log_due = true;
  board.step(step);
  board.epoch({.epoch = 2, .epochs = 9, .mean_loss = 2, .seconds = 3, .samples_per_second = 4});
  board.maximize_pass({4, {.pass = 1, .risk = -2, .best_risk = -2.5}, .1});
  board.maximize(search());
  board.evaluation({3, 9, "knn", {"hue", false, {{"test_acc@1", 81.25}}}});
  files.append(settings_event("# The settings\nname: a\n\n# Loss\nkeep_cont: true\nlr: 0.001\n"));

  const auto events = events_in(folder_);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0].step, 31);
  EXPECT_THAT(
      events[0].scalars,
      ElementsAre(Pair("step/distillation", .25f), Pair("step/loss", 1.5f), Pair("step/lr", .001f),
                  Pair("step/penalty_weight", .2f), Pair("step/samples_per_second", 32.f)));
  EXPECT_GT(events[1].scalars.at("step/memory_MB"), 1);
  EXPECT_EQ(events[2].step, 2);
  EXPECT_EQ(events[2].scalars.at("epoch/loss"), 2);
  EXPECT_EQ(events[3].step, 1);
  EXPECT_EQ(events[3].scalars.at("search_0004/risk"), -2);
  EXPECT_EQ(events[3].scalars.at("search_0004/best_risk"), -2.5f);
  EXPECT_EQ(events[4].step, 4);
  EXPECT_EQ(events[4].scalars.at("partition/risk"), -3.25f);
  EXPECT_EQ(events[4].scalars.at("partition_size/environment_0"), 100);
  EXPECT_EQ(events[4].scalars.at("partition_shares/hue_nats"), .25f);
  EXPECT_EQ(events[4].scalars.at("partition/overlap"), .5f);
  EXPECT_EQ(events[5].step, 4);
  const auto& sheet = events[5].images.at("partition_sheets/environment_0");
  std::vector<uint8_t> rgb;
  std::ofstream(folder_ / "sheet.png", std::ios::binary) << sheet.png;
  const auto size = data::decode_image_file((folder_ / "sheet.png").string(), 0, rgb);
  EXPECT_EQ(sheet.width, static_cast<uint64_t>(size.width));
  EXPECT_EQ(sheet.height, static_cast<uint64_t>(size.height));
  const auto chosen = inspect::choose_images(search().result.logits, 64);
  EXPECT_EQ(size.width, inspect::contact_sheet(Reds(), chosen[0]).width());
  EXPECT_EQ(events[6].step, 3);
  EXPECT_THAT(events[6].scalars, ElementsAre(Pair("knn/hue/test_acc@1", 81.25f)));
  EXPECT_EQ(events[7].texts.at("settings"),
            "\nThe settings\n\n| setting | value |\n|---|---|\n| name | `a` |\n\nLoss\n"
            "\n| setting | value |\n|---|---|\n| keep_cont | `true` |\n| lr | `0.001` |\n");
}

TEST_F(EventFilesTest, TheProjectorHasARowAnImage) {
  write_projector(folder_, torch::tensor({{1.5, -2.}, {.25, 1e-7}, {3., 0.}}), Reds());
  EXPECT_EQ(core::read_file(folder_ / "projector_features.tsv", 1000),
            "1.5\t-2\n0.25\t1e-07\n3\t0\n");
  EXPECT_EQ(core::read_file(folder_ / "projector_metadata.tsv", 1000),
            "image\tlabel\n0\teven\n1\todd one\n2\teven\n");
  const auto sprite = core::read_file(folder_ / "projector_sprite.png", 100000);
  EXPECT_EQ(red_at(folder_, sprite, 64, 32 + 16, 16), 2);  // the third image, in the second row
  EXPECT_THAT(core::read_file(folder_ / "projector_config.pbtxt", 1000),
              HasSubstr("tensor_path: \"projector_features.tsv\""));
}

}  // namespace
}  // namespace ipirm::observe
