// ipirm-inspect in the test process: every file of a small run, numbers that agree with what the
// run logged itself, what is said where something is missing, and what is refused.
#include "ipirm/app/inspect_app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "app/programs.h"
#include "app/run_folder.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"
#include "ipirm/partition/partition_set.h"
#include "support/user_error.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kLabelled = 20, kUnlabelled = 30, kTest = 10;

// Runs that all tests look at: "x" with partitions, the baseline "b", and "digits" on other data.
class TrainedRuns : public ProgramTest {
 public:
  TrainedRuns() {
    test_sets::write_stl(root_ / "data", kLabelled, kUnlabelled, kTest);
    train_run("--eval_every 1 --save_every 1 --env_num 3");
    train_run("--eval_every 1 --save_every 1 --baseline --name b");
    train_run("--dataset Shapes --shapes_train 12 --shapes_test 6 --baseline");
  }
  const fs::path& root() const { return root_; }

 private:
  void TestBody() override {}
  void train_run(const std::string& more) const {
    const auto trained = train(small_run(more));
    if (trained.code != kExitOk) throw std::runtime_error(trained.err);
  }
};

class InspectApp : public ProgramTest {
 protected:
  static void SetUpTestSuite() { runs_ = std::make_unique<TrainedRuns>(); }
  static void TearDownTestSuite() { runs_.reset(); }

  // The runs' folders, as a copy of this test's own.
  InspectApp() {
    fs::copy(runs_->root() / "results", root_ / "results", fs::copy_options::recursive);
  }
  Outcome inspect(const Words& words) const {
    return run_parsed<config::parse_inspect, run_inspect>(
        Words{path(kRun), "--device", "cpu", "--workers", "1", "--log_level", "info",
              "--downstream_root", path("downstream")} +
        words);
  }
  json read_json(const std::string& name) const { return json::parse(read(kShown + name)); }
  std::string page() const { return read(kShown + "report.html"); }

  // predictions.csv of the run: a line a test image, which the head takes for `predicted`.
  void predict(int64_t rows, const std::string& predicted) const {
    std::string text = "index,label,label_predicted,label_probability\n";
    for (int64_t i = 0; i < rows; ++i) {
      const auto label = std::to_string(test_sets::stl_label(i));
      text += core::cat(i, ",", label, ",", predicted.empty() ? label : predicted, ",.5\n");
    }
    fs::create_directories(path("downstream/STL/x"));
    core::write_atomically(path("downstream/STL/x/predictions.csv"), text);
  }

  const std::string kRun = "results/STL/x/", kShown = kRun + "inspect/";
  static std::unique_ptr<TrainedRuns> runs_;
};
std::unique_ptr<TrainedRuns> InspectApp::runs_;

// What the run itself logged of its newest evaluation.
double logged_accuracy(const std::string& lines) {
  double found = -1;
  std::istringstream text(lines);
  for (std::string line; std::getline(text, line);) {
    const auto event = json::parse(line);
    if (event["event"] == "knn") found = event["test_acc@1"];
  }
  return found;
}

TEST_F(InspectApp, WritesWhatThereIsToSeeOfARun) {
  fs::create_directories(path(kShown));
  core::write_atomically(path(kShown + "partition_7_environment_0.png"), "of an earlier call");
  const auto outcome = inspect({"--queries", "3", "--neighbours", "4"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("kNN accuracy on label after 1 of 1 epochs"));
  EXPECT_FALSE(fs::exists(path(kShown + "partition_7_environment_0.png")));
  for (const char* file : {"partition_0_environment_0.png", "partition_0_environment_2.png",
                           "neighbours.png", "map_0_label.png", "confusion_kNN_0_label.png"})
    EXPECT_FALSE(cv::imread(path(kShown + file)).empty()) << file;
  const auto logits = checkpoint::read_npy(path(kRun + "GroupResults_0.npy"));
  const auto sizes = partition::environment_sizes(logits);
  const auto partition = read_json("partition_0.json");
  int64_t counted = 0;
  for (size_t e = 0; e < 3; ++e) {
    EXPECT_EQ(partition["environments"][e]["size"], sizes[e]);
    for (const auto& count : partition["factors"]["label"]["counts"][e])
      counted += count.get<int64_t>();
  }
  EXPECT_EQ(counted, kLabelled);
  EXPECT_EQ(partition["factors"]["label"]["unknown"], kUnlabelled);
  EXPECT_EQ(read_json("neighbours.json")["queries"][2]["neighbours"].size(), 4U);
  EXPECT_EQ(read_json("map.json")["points"].size(), static_cast<size_t>(kTest));
  const auto confusion = read_json("confusion.json").at(0);
  EXPECT_DOUBLE_EQ(confusion["accuracy"].get<double>(),
                   logged_accuracy(read(kRun + "metrics.jsonl")));
  EXPECT_EQ(confusion["basis"], "by 20 labelled images, on 10 test images, network model_1.pt");
  EXPECT_THAT(page(), HasSubstr("After epoch 0: separates "));
  EXPECT_THAT(page(), HasSubstr("30 images whose label nobody knows are left out"));
  EXPECT_THAT(page(), HasSubstr("ipirm-linear --predict adds"));
  EXPECT_THAT(page(), HasSubstr("config.yaml --name x-again"));
}

TEST_F(InspectApp, ShowsARunBesideOthers) {
  const auto outcome = inspect({"--against", path("results/STL/b/"), path("results/Shapes/x"),
                                "--images", "5", "--bank", "7", "--epoch", "1"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("STL/x has "));
  EXPECT_THAT(outcome.out, HasSubstr(" than b;"));  // alone: the other run saw other images
  EXPECT_THAT(page(), HasSubstr("Shapes/x saw other data, Shapes"));
  EXPECT_THAT(page(), HasSubstr("<td>baseline</td><td>false</td><td>true</td><td>true</td></tr>"));
  EXPECT_EQ(read_json("map.json")["points"].size(), 5U);
  EXPECT_EQ(read_json("confusion.json")[0]["basis"],
            "by 7 of 20 labelled images, on 5 of 10 test images, network model_1.pt");
}

TEST_F(InspectApp, ShowsWhatTheLinearHeadPredicts) {
  predict(kTest, "3");
  ASSERT_EQ(inspect({}).code, kExitOk);
  int64_t right = 0;
  for (int64_t i = 0; i < kTest; ++i) right += test_sets::stl_label(i) == 3;
  const auto entry = read_json("confusion.json").back();
  EXPECT_EQ(entry["classifier"], "linear head");
  EXPECT_DOUBLE_EQ(entry["accuracy"].get<double>(),
                   100. * static_cast<double>(right) / static_cast<double>(kTest));
  EXPECT_THAT(page(), Not(HasSubstr("ipirm-linear --predict adds")));
  predict(7, "");
  expect_refused(inspect({}), {"predictions.csv", "found 7 rows", "--predict"});
  predict(kTest, "-1");
  expect_refused(inspect({}), {"predictions.csv:2", "found -1", "no value of label"});
  core::write_atomically(
      path("downstream/STL/x/predictions.csv"), "index,label,label_predicted\n" + [] {
        std::string rows;
        for (int64_t i = 0; i < kTest; ++i) rows += core::cat(i + 1, ",0,0\n");
        return rows;
      }());
  expect_refused(inspect({}), {"predictions.csv:2", "another test image than number 0"});
}

TEST_F(InspectApp, ShowsARunThatHasSavedNoModelYet) {
  for (const char* name : {"model_1.pt", "state.pt"}) fs::remove(path(kRun + name));
  const auto outcome = inspect({});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(page(), HasSubstr("After epoch 0: separates "));
  EXPECT_THAT(page(), HasSubstr("Not all is shown: the run has saved no model yet."));
  EXPECT_FALSE(fs::exists(path(kShown + "map.json")));
}

TEST_F(InspectApp, SaysWhyThereIsNoAccuracy) {
  for (int i = 0; i < 8; ++i) {
    test_sets::write_image(
        path(core::cat("photos/train/", i, ".png")), 96, 96,
        [&](int c, int y, int x) { return test_sets::smooth_pixel(i, c, y, x); });
  }
  const auto trained =
      train(small_run("--dataset Folder --image_size 96 --baseline --data_root " + path("photos")));
  ASSERT_EQ(trained.code, kExitOk) << trained.err;
  const std::string run = "results/Folder/x/";
  const auto outcome = inspect({"--run", path(run)});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("accuracy cannot be measured: the data have no test split"));
  const auto shown = read(run + "inspect/report.html");
  EXPECT_THAT(shown, HasSubstr("8 images to train on, without labels that tell them apart, none"));
  EXPECT_THAT(shown, HasSubstr("The h of 8 training images"));
}

TEST_F(InspectApp, RefusesWhatIsNoRun) {
  expect_refused(run_parsed<config::parse_inspect, run_inspect>({}), {"RUN is missing"});
  expect_refused(inspect({"--run", path("nothing")}), {"nothing", "config.yaml"});
  expect_refused(inspect({"--epoch", "7"}), {"--epoch 7", "there are those of 1"});
  expect_refused(inspect({"--against", path("a"), path("b"), "--epoch", "1"}),
                 {path("a"), "config.yaml"});
  expect_refused(inspect({"--against", path(kRun)}), {"is the same run as"});
  const auto partition = path(kRun + "GroupResults_3.npy");
  checkpoint::write_npy(partition, torch::zeros({5, 3}));
  expect_refused(inspect({}), {"GroupResults_3.npy", "(50, 3)"});
  checkpoint::write_npy(partition, torch::zeros({50, 2}));
  expect_refused(inspect({}), {"GroupResults_3.npy", "(50, 3)"});
  checkpoint::write_npy(partition, torch::full({50, 3}, NAN));
  expect_refused(inspect({}), {"GroupResults_3.npy", "NaN"});
}

TEST(NamesOf, TellNamesakesApart) {
  EXPECT_THAT(names_of({"r/STL/x", "r/STL/y/"}), ElementsAre("x", "y"));
  EXPECT_THAT(names_of({"r/STL/x", "q/STL/x", "r/STL/z"}), ElementsAre("r/STL/x", "q/STL/x", "z"));
  EXPECT_THAT(test::user_error([] {
                names_of({"r/x", "r/../r/x/"});
              }),
              HasSubstr("is the same run as r/x"));
}

TEST(SettingsOf, GiveTextsWithoutTheirQuotes) {
  config::TrainConfig config;
  config.name = R"(it's "x" \)";
  const auto settings = settings_of(config);
  const auto name = std::find_if(settings.begin(), settings.end(),
                                 [](const auto& s) { return s.name == "name"; });
  ASSERT_NE(name, settings.end());
  EXPECT_EQ(name->value, config.name);
}

TEST(OtherData, IsWhatTellsImagesApart) {
  config::TrainConfig one, other;
  other.data.root = "elsewhere";
  EXPECT_EQ(other_data(one, other), "");
  one.data.dataset = other.data.dataset = data::DataSetKind::kFolder;
  EXPECT_EQ(other_data(one, other), "elsewhere");
  one.data.dataset = other.data.dataset = data::DataSetKind::kMnist;
  other.data.colours = 10;
  EXPECT_EQ(other_data(one, other), "--colours 10");
  other.data.dataset = data::DataSetKind::kStl;
  EXPECT_EQ(other_data(one, other), "STL");
}

}  // namespace
}  // namespace ipirm::app
