// ipirm-inspect in the test process: every file of a small run, numbers that agree with what the
// run logged itself, and what is refused.
#include "ipirm/app/inspect_app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "app/programs.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"
#include "ipirm/partition/partition_set.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class InspectApp : public ProgramTest {
 protected:
  static Outcome inspect(const Words& words) {
    return run_parsed<config::parse_inspect, run_inspect>(
        words + Words{"--device", "cpu", "--workers", "1", "--log_level", "info"});
  }
  void train_digits(const std::string& more = "") const {
    const auto trained =
        train(small_run("--dataset ColoredDigits --batch_size 600 --eval_every 1 "
                        "--save_every 1 --env_num 3 " +
                        more));
    ASSERT_EQ(trained.code, 0) << trained.err;
  }
  json read_json(const std::string& name) const { return json::parse(read(kShown + name)); }

  const std::string kRun = "results/ColoredDigits/x/", kShown = kRun + "inspect/";
};

// What the run itself logged of its newest evaluation of a factor.
double logged_accuracy(const std::string& lines, const std::string& factor) {
  double found = -1;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    const auto event = json::parse(line);
    if (event["event"] == "knn" && event["factor"] == factor) found = event["test_acc@1"];
  }
  return found;
}

TEST_F(InspectApp, WritesWhatThereIsToSeeOfARun) {
  train_digits();
  const auto outcome = inspect({path(kRun), "--queries", "3", "--neighbours", "4"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("kNN accuracy on digit after 1 of 1 epochs"));
  for (const char* file :
       {"partition_0_environment_0.png", "partition_0_environment_2.png", "neighbours.png",
        "map_digit.png", "map_colour.png", "confusion_kNN_digit.png", "confusion_kNN_colour.png"}) {
    EXPECT_FALSE(cv::imread(path(kShown + file)).empty()) << file;
  }
  const auto logits = checkpoint::read_npy(path(kRun + "GroupResults_0.npy"));
  const auto sizes = partition::environment_sizes(logits);
  const auto partition = read_json("partition_0.json");
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_EQ(partition["environments"][e]["size"], sizes[e]);
    int64_t counted = 0;
    for (const auto& count : partition["factors"]["colour"]["counts"][e])
      counted += count.get<int64_t>();
    EXPECT_EQ(counted, sizes[e]);
  }
  EXPECT_EQ(read_json("neighbours.json")["queries"][2]["neighbours"].size(), 4U);
  EXPECT_EQ(read_json("map.json")["points"].size(), 360U);
  for (const auto& entry : read_json("confusion.json")) {
    EXPECT_DOUBLE_EQ(entry["accuracy"].get<double>(),
                     logged_accuracy(read(kRun + "metrics.jsonl"), entry["factor"]));
  }
  EXPECT_THAT(read(kShown + "report.html"), HasSubstr("After epoch 0: separates "));
}

TEST_F(InspectApp, ShowsABaselineBesideAnotherRun) {
  train_digits("--baseline --name b");
  train_digits("--baseline");
  const auto outcome = inspect({path(kRun), "--against", path("results/ColoredDigits/b/"),
                                "--images", "50", "--epoch", "1"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  const auto page = read(kShown + "report.html");
  EXPECT_THAT(page, HasSubstr("This run has none."));
  EXPECT_THAT(page, HasSubstr("than b, the best of the others"));
  EXPECT_EQ(read_json("map.json")["points"].size(), 50U);
}

TEST_F(InspectApp, ShowsWhatTheLinearHeadPredicts) {
  train_digits("--baseline");
  const auto test = data::open_data_sets({.dataset = data::DataSetKind::kColoredDigits}).test;
  const auto& digit = test->factors()[0].values;
  const auto write = [&](int64_t rows) {
    std::string text = "index,digit,digit_predicted,digit_probability\n";
    for (int64_t i = 0; i < rows; ++i)  // every third image is taken for a 0
      text += core::cat(i, ",", digit[static_cast<size_t>(i)], ",",
                        i % 3 == 0 ? 0 : digit[static_cast<size_t>(i)], ",.5\n");
    fs::create_directories(path("downstream/ColoredDigits/x"));
    core::write_atomically(path("downstream/ColoredDigits/x/predictions.csv"), text);
  };
  const Words words = {path(kRun), "--downstream_root", path("downstream"), "--images", "20"};
  write(test->size());
  ASSERT_EQ(inspect(words).code, kExitOk);
  int64_t right = 0;
  for (int64_t i = 0; i < test->size(); ++i)
    right += i % 3 != 0 || digit[static_cast<size_t>(i)] == 0;
  const auto entry = read_json("confusion.json").back();
  EXPECT_EQ(entry["classifier"], "linear head");
  EXPECT_DOUBLE_EQ(entry["accuracy"].get<double>(),
                   100. * static_cast<double>(right) / static_cast<double>(test->size()));
  write(7);
  expect_refused(inspect(words), {"predictions.csv", "found 7 rows", "--predict"});
}

TEST_F(InspectApp, RefusesWhatIsNoRun) {
  expect_refused(inspect({}), {"RUN is missing"});
  expect_refused(inspect({path("nothing")}), {"nothing", "config.yaml"});
  train_digits("--baseline");
  expect_refused(inspect({path(kRun), "--epoch", "7"}), {"--epoch 7", "there are those of 1"});
  checkpoint::write_npy(path(kRun + "GroupResults_3.npy"), torch::zeros({5, 2}));
  expect_refused(inspect({path(kRun)}), {"GroupResults_3.npy", "1437"});
  expect_refused(inspect({path(kRun), "--against", path("a"), path("b"), "--epoch", "1"}),
                 {path("a"), "config.yaml"});
}

}  // namespace
}  // namespace ipirm::app
