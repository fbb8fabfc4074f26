// The observers: events as JSON, the reference's words, and texts that a resumed run continues.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/observe/console.h"
#include "ipirm/observe/metrics_lines.h"
#include "ipirm/observe/reference_texts.h"
#include "ipirm/observe/text_files.h"

namespace ipirm::observe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Keeps the lines that it is given.
struct Lines {
  LineSink sink() {
    return [this](const std::string& text) { lines.push_back(text); };
  }
  std::vector<std::string> lines;
};

train::StepRecord step(int64_t in_epoch) {
  train::StepRecord record;
  record.epoch = 2;
  record.epochs = 9;
  record.step = 30 + in_epoch;
  record.log_due = in_epoch % 3 == 1;
  record.seen = 16 * in_epoch;
  record.set_size = 200;
  record.terms = {{"loss", 1.5}, {"distillation", .25}};
  record.mean_loss = 1.25;
  record.lr = .001;
  record.penalty_weight = .2;
  record.seconds = .5;
  return record;
}

train::MaximizeRecord search() {
  train::MaximizeRecord record;
  record.epoch = 4;
  record.result.passes = 7;
  record.result.best_pass = 5;
  record.result.best_risk = -3.25;
  record.sizes = {3, 5};
  record.judgement.certainty = .75;
  record.judgement.overlap = .5;
  record.judgement.factors = {{"hue", .25, .5, .5}};
  record.seconds = 2;
  return record;
}

// A term that the trainer, the history and the observers have never heard of has its place.
TEST(MetricsLines, HoldEveryTermUnderItsName) {
  Lines metrics;
  MetricsLines(metrics.sink()).step(step(1));
  EXPECT_THAT(metrics.lines,
              ElementsAre(R"({"event":"step","epoch":2,"step":31,"loss":1.5,"distillation":0.25,)"
                          R"("penalty_weight":0.2,"lr":0.001,"seconds":0.5})"));
}

TEST(MetricsLines, NameTheEventAfterTheEvaluation) {
  Lines metrics;
  MetricsLines(metrics.sink())
      .evaluation({3, 9, "dci", {"hue", false, {{"completeness", .5}, {"informativeness", .75}}}});
  EXPECT_THAT(metrics.lines, ElementsAre(R"({"event":"dci","epoch":3,"factor":"hue",)"
                                         R"("completeness":0.5,"informativeness":0.75})"));
}

TEST(MetricsLines, TellOfASearch) {
  Lines metrics;
  MetricsLines(metrics.sink()).maximize(search());
  EXPECT_THAT(metrics.lines,
              ElementsAre(R"({"event":"maximize","epoch":4,"source":"search","passes":7,)"
                          R"("best_pass":5,"risk":-3.25,"sizes":[3,5],"certainty":0.75,)"
                          R"("overlap":0.5,"factors":{"hue":{"information":0.25,"entropy":0.5,)"
                          R"("share":0.5}},"seconds":2.0})"));
}

TEST(ReferenceTexts, HaveALineAtTheStepsThatAreDue) {
  Lines log;
  ReferenceTexts texts(log.sink(), {});
  for (int64_t in_epoch = 1; in_epoch <= 6; ++in_epoch) texts.step(step(in_epoch));
  EXPECT_THAT(log.lines, ElementsAre("Train Epoch: [2/9] [16/200]  Loss: 1.2500  LR: 0.001000  PW "
                                     "0.2000",
                                     "Train Epoch: [2/9] [64/200]  Loss: 1.2500  LR: 0.001000  PW "
                                     "0.2000"));
}

TEST(ReferenceTexts, HaveTheTestScoresOfTheClassAlone) {
  Lines results;
  ReferenceTexts texts({}, results.sink());
  texts.evaluation(
      {1,
       2,
       "linear",
       {"digit", true, {{"train_loss", 9}, {"test_loss", .5}, {"test_acc@1", 81.25}}}});
  texts.evaluation({1, 2, "linear", {"hue", false, {{"test_loss", .75}}}});
  texts.evaluation({1, 2, "metrics", {"digit", true, {{"mig", .25}}}});
  EXPECT_THAT(results.lines, ElementsAre("test_loss: 0.5000, test_acc@1: 81.2500"));
}

TEST(ReferenceTexts, TellOfASearchInItsWords) {
  Lines log;
  ReferenceTexts texts(log.sink(), {});
  train::MaximizePassRecord pass;
  pass.pass.risk = -2;
  pass.pass.contrastive = 1.5;
  pass.pass.invariance = .5;
  texts.maximize_pass(pass);
  pass.pass.pass = 1;
  texts.maximize_pass(pass);
  texts.maximize(search());
  EXPECT_THAT(log.lines,
              ElementsAre("Initial Risk: -2.0000  Cont_Risk: -1.5000  Inv_Risk: -0.5000",
                          "Loss not down. Break down training.  Epoch: 5  Loss: -3.2500",
                          "Debug:  group1 3  group2 5",
                          "Partition: search  certainty 0.750  overlap 0.500  hue  0.2500 nats "
                          "(50.0 %)"));
}

TEST(Console, SumsASearchUp) {
  EXPECT_EQ(maximize_summary(search()), "risk -3.2500 (pass 5 of 7)  environments 3 + 5");
}

// The lines of the epochs 1 to 5 of 5.
std::string epochs_on(Console console) {
  testing::internal::CaptureStdout();
  for (int64_t epoch = 1; epoch <= 5; ++epoch) {
    console.epoch({.epoch = epoch,
                   .epochs = 5,
                   .mean_loss = 2,
                   .seconds = 1,
                   .samples_per_second = 10,
                   .time_left = "3 s"});
  }
  return testing::internal::GetCapturedStdout();
}

TEST(Console, HasALineAnEpochOrOneNowAndThen) {
  const std::string first = "epoch 1/5  loss 2.0000  10 samples/s  run 3 s left\n",
                    last = "epoch 5/5  loss 2.0000  10 samples/s\n";
  EXPECT_EQ(epochs_on(Console({.epoch_interval_s = 1000})), first + last);
  const auto all = epochs_on(Console());
  EXPECT_TRUE(all.starts_with(first + "epoch 2/5")) << all;
  EXPECT_EQ(std::ranges::count(all, '\n'), 5);
}

class TextFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / core::cat("ipirm_texts_", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::vector<std::string> lines(const char* name) const {
    std::ifstream file(folder_ / name);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  fs::path folder_;
};

TEST_F(TextFilesTest, AreCutBackToWhatTheStateKnows) {
  checkpoint::StateDict state;
  {
    TextFiles texts(folder_, /*keep=*/false);
    const auto a = texts.open("a.txt"), b = texts.open("b.txt");
    a("one");
    b("first");
    state = texts.state();
    a("two");
  }
  EXPECT_THAT(lines("a.txt"), ElementsAre("one", "two"));
  std::ofstream(folder_ / "c.txt") << "of an observer that joined later, in a run that was cut\n";
  TextFiles texts(folder_, /*keep=*/true);
  const auto a = texts.open("a.txt");
  texts.open("c.txt");
  checkpoint::SavedTensors saved(state, "state.pt");
  texts.load(saved);
  a("two again");
  EXPECT_THAT(lines("a.txt"), ElementsAre("one", "two again"));
  EXPECT_THAT(lines("c.txt"), IsEmpty());
  EXPECT_THAT(saved.left(), IsEmpty());  // b.txt's length is nobody's any more, and no fault
}

}  // namespace
}  // namespace ipirm::observe
