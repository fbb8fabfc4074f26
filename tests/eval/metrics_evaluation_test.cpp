// The metrics as an evaluation of a run: names, ranges, what repeats.
#include "ipirm/eval/metrics_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "eval/toy_set.h"
#include "ipirm/metrics/report.h"
#include "support/ranks.h"
#include "support/user_error.h"

namespace ipirm::eval {
namespace {

using ::testing::Contains;
using ::testing::Field;

model::Model small_network() {
  torch::manual_seed(1);
  model::Model model(
      model::ModelOptions{.arch = model::Arch::kResNet18, .width = 16, .feature_dim = 16});
  return model;
}

TEST(MetricsEvaluation, ScoresEachFactorAndAll) {
  torch::set_num_threads(1);
  const auto train = std::make_shared<test::ToySet>(60, 1);
  const auto held = std::make_shared<test::ToySet>(30, 2);
  train->factors_[0].values[7] = -1;  // an unknown factor: this image does not count
  auto model = small_network();
  const RunOptions run{.loader = {.workers = 1}, .batch_size = 30};
  const auto evaluation =
      make_metrics_evaluation(train, held, FeatureKind::kZ,
                              {.metrics = {metrics::Metric::kMig, metrics::Metric::kDci}}, run, 2);
  EXPECT_EQ(evaluation->name(), "metrics");
  const auto scores = evaluation->run(model).value();
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0].factor, "hue");
  EXPECT_TRUE(scores[0].is_class);
  EXPECT_EQ(scores[1].factor, "light");
  EXPECT_EQ(scores[2].factor, "all");
  EXPECT_FALSE(scores[2].is_class);
  for (const char* name : {"mig", "disentanglement", "completeness", "gbt_test"})
    EXPECT_THAT(scores[2].scores, Contains(Field(&core::NamedValue::name, name)));
  for (const auto& [name, value] : scores[0].scores) {
    EXPECT_LE(value, 1) << name;
    // The hue fills these images: even random weights tell of it.
    EXPECT_GE(value, name == "gbt_test" ? .9 : 0) << name;
  }
  const auto again = evaluation->run(model).value();
  for (size_t f = 0; f < scores.size(); ++f)
    EXPECT_EQ(core::to_text(scores[f].scores), core::to_text(again[f].scores));
}

// Two ranks embed half of each batch, and each reports on all images as one process does.
TEST(MetricsEvaluation, TwoProcessesReportWhatOneDoes) {
  ranks::run(2, [](dist::Group& group) {
    torch::set_num_threads(1);
    const auto train = std::make_shared<test::ToySet>(61, 1);
    const auto held = std::make_shared<test::ToySet>(23, 2);
    auto model = small_network();
    const auto scores_of = [&](std::shared_ptr<dist::Group> those) {
      RunOptions run{.loader = {.workers = 1}, .batch_size = 20};
      run.group = std::move(those);
      return make_metrics_evaluation(train, held, FeatureKind::kZ, {}, run, 1)->run(model).value();
    };
    const auto found = scores_of({&group, [](dist::Group*) {}}),
               expected = scores_of(dist::alone());
    ASSERT_EQ(found.size(), 3u);
    ASSERT_EQ(expected.size(), 3u);
    for (size_t f = 0; f < found.size(); ++f) {
      EXPECT_EQ(found[f].factor, expected[f].factor);
      EXPECT_GT(found[f].scores.size(), 5u);
      EXPECT_EQ(core::to_text(found[f].scores), core::to_text(expected[f].scores));
    }
  });
}

TEST(MetricsEvaluation, WantsAFactorThatVaries) {
  const auto set = std::make_shared<test::ToySet>(1, 1);
  EXPECT_THAT(
      test::user_error([&] { make_metrics_evaluation(set, set, FeatureKind::kZ, {}, {}, 1); }),
      ::testing::HasSubstr("--factors_csv"));
}

}  // namespace
}  // namespace ipirm::eval
