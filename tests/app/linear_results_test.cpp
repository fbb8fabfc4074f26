// What ipirm-linear leaves at its end: classifiers, predictions, the words about the best head; and
// that a resumed evaluation leaves the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/programs.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/csv.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 40 training and 6 test images, a narrow encoder of random weights.
class LinearResults : public ProgramTest {
 protected:
  LinearResults() {
    test_sets::write_cifar10(root_ / "data", 8, 6);
    torch::manual_seed(1);
    const model::Model model(model::ModelOptions{model::Arch::kResNet18, 16, 8});
    checkpoint::write_torch_file(root_ / "model_1.pt", checkpoint::state_dict(*model));
  }
  Outcome evaluate(const std::string& name, const std::string& more) const {
    return linear(small_evaluation("--dataset CIFAR10 --workers 1 --log_level info") +
                  Words{"--model_path", path("model_1.pt"), "--name", name} + split(more));
  }
  std::string in(const std::string& name, const std::string& file) const {
    return read("downstream/CIFAR10/" + name + "/" + file);
  }
  fs::path results(const std::string& name) const { return root_ / "downstream/CIFAR10" / name; }
};

TEST_F(LinearResults, SavesTheClassifier) {
  ASSERT_EQ(evaluate("x", "--epochs 2 --txt").code, 0);
  const auto saved = checkpoint::read_torch_file(results("x") / "linear_2.pt");
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].first, "weight");
  EXPECT_THAT(saved[0].second.sizes(), ElementsAre(10, 128));
  EXPECT_EQ(saved[1].first, "bias");
  int found = 0;
  for (const auto& [name, tensor] : checkpoint::read_torch_file(results("x") / "linear_state.pt"))
    found += name == "classifier.0.weight" && torch::equal(tensor, saved[0].second);
  EXPECT_EQ(found, 1);
  ASSERT_EQ(evaluate("x", "--epochs 1 --txt --overwrite").code, 0);
  EXPECT_FALSE(fs::exists(results("x") / "linear_2.pt")) << "that of other settings";
  EXPECT_TRUE(fs::exists(results("x") / "linear_1.pt"));
}

TEST_F(LinearResults, PredictsEachTestImage) {
  const auto outcome = evaluate("x", "--epochs 1 --predict");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto table = core::read_csv(results("x") / "predictions.csv", 1 << 20);
  EXPECT_THAT(table.columns, ElementsAre("index", "label", "label_predicted", "label_probability"));
  ASSERT_EQ(table.rows.size(), 6u);
  int hits = 0;
  for (size_t i = 0; i < 6; ++i) {
    const auto& fields = table.rows[i].fields;
    EXPECT_EQ(fields[0], std::to_string(i));
    hits += fields[1] == fields[2];
    EXPECT_GE(std::stod(fields[3]), .1 - 1e-6);  // the largest of ten
  }
  char words[40];
  std::snprintf(words, sizeof words, "last test_acc@1 %.2f ", 100. * hits / 6);
  EXPECT_THAT(outcome.out, HasSubstr(words));
}

// Predictions that stand there are those of the newest weights, whether asked for again or not.
TEST_F(LinearResults, FurtherEpochsPredictAnew) {
  ASSERT_EQ(evaluate("whole", "--epochs 3 --predict").code, 0);
  ASSERT_EQ(evaluate("x", "--epochs 1 --predict").code, 0);
  EXPECT_NE(in("x", "predictions.csv"), in("whole", "predictions.csv"));
  ASSERT_EQ(evaluate("x", "--epochs 3 --resume").code, 0);
  EXPECT_EQ(in("x", "predictions.csv"), in("whole", "predictions.csv"));
}

// --predict may come later: with the state of what has ended, whose running statistics drifted.
TEST_F(LinearResults, AResumedEvaluationPredictsTheSame) {
  ASSERT_EQ(evaluate("whole", "--epochs 2 --predict").code, 0);
  ASSERT_EQ(evaluate("later", "--epochs 2 --txt").code, 0);
  fs::remove(results("later") / "linear_2.pt");
  const auto outcome = evaluate("later", "--epochs 2 --predict --resume");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("nothing to do"));
  for (const char* file : {"predictions.csv", "linear_2.pt"})
    EXPECT_TRUE(in("later", file) == in("whole", file)) << file;
}

TEST_F(LinearResults, AGridSaysWhatItChose) {
  const std::string grid =
      "--lr .1,.001 --weight_decay 0,.01 --cache --bn eval --augment none --txt ";
  const auto outcome = evaluate("whole", grid + "--epochs 3");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("held_out_acc@1"));
  EXPECT_THAT(outcome.out, HasSubstr("(epoch 3, --lr 0."));
  const std::string metrics = in("whole", "metrics.jsonl");
  size_t num_heads = 0;
  for (size_t at = 0; (at = metrics.find("\"linear_head\"", at)) != std::string::npos; ++at)
    ++num_heads;
  EXPECT_EQ(num_heads, 3u * 4u);
  const std::string result = in("whole", "result.txt");
  EXPECT_EQ(std::count(result.begin(), result.end(), '\n'), 3) << "the chosen head's alone";

  ASSERT_EQ(evaluate("cut", grid + "--epochs 1").code, 0);
  ASSERT_EQ(evaluate("cut", grid + "--epochs 3 --resume").code, 0);
  for (const char* file : {"result.txt", "metrics.jsonl", "linear_state.pt", "linear_3.pt"})
    EXPECT_TRUE(in("cut", file) == in("whole", file)) << file;
  expect_refused(evaluate("cut", grid + "--epochs 3 --resume --label_share .5"),
                 {"label_share (was 1, now 0.5)"});
}

TEST_F(LinearResults, LbfgsIsOneEpoch) {
  const auto outcome = evaluate(
      "x", "--optimizer lbfgs --bn eval --augment none --weight_decay .1,.01 --txt --epochs 9");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("epoch 1/1  linear label"));
  EXPECT_TRUE(fs::exists(results("x") / "linear_1.pt"));
}

}  // namespace
}  // namespace ipirm::app
