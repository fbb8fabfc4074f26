// ipirm-metrics' settings, and those of ipirm-train's --eval metrics.
#include "ipirm/config/metrics_config.h"

#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using metrics::Metric;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

std::optional<MetricsConfig> parse(const Words& more) {
  Words words = {"--train", "a/train.npy", "--test", "test.npy", "--out", "m.json"};
  words.insert(words.end(), more.begin(), more.end());
  const auto argv = arguments(words);
  return parse_metrics(static_cast<int>(argv.size()), argv.data());
}

TEST(MetricsConfigTest, DefaultsAreTheLiteratures) {
  const auto plain = parse({}).value();
  EXPECT_EQ(plain.train_factors, "a/train.csv");
  EXPECT_EQ(plain.test_factors, "test.csv");
  EXPECT_TRUE(plain.factors.empty());
  EXPECT_EQ(plain.options.metrics.size(), core::names_of<Metric>().size());
  EXPECT_FALSE(plain.options.named);
  EXPECT_EQ(plain.options.train_samples, 10000);
  EXPECT_EQ(plain.options.test_samples, 5000);
  EXPECT_EQ(plain.options.irs_quantile, .99);
  EXPECT_EQ(plain.options.seed, 0u);
  EXPECT_FALSE(plain.overwrite);
}

TEST(MetricsConfigTest, TakesWhatIsNamed) {
  const auto given =
      parse({"--metrics", "sap,dci", "--factors", "hue,digit", "--train_samples", "7",
             "--test_samples", "1", "--irs_quantile", "1", "--seed", "3", "--train_factors", "x"})
          .value();
  EXPECT_THAT(given.options.metrics, ElementsAre(Metric::kSap, Metric::kDci));
  EXPECT_TRUE(given.options.named);
  EXPECT_THAT(given.factors, ElementsAre("hue", "digit"));
  EXPECT_EQ(given.options.train_samples, 7);
  EXPECT_EQ(given.options.test_samples, 1);
  EXPECT_EQ(given.options.irs_quantile, 1);
  EXPECT_EQ(given.options.seed, 3u);
  EXPECT_EQ(given.train_factors, "x");
}

TEST(MetricsConfigTest, RefusesWhatIsMissingOrWrong) {
  const auto error = [](const Words& words) { return user_error([&] { parse(words); }); };
  for (const char* name : {"--train", "--test", "--out"})
    EXPECT_THAT(error({name, ""}), HasSubstr(std::string(name) + " is missing"));
  EXPECT_THAT(error({"--metrics", "mig,dcy"}), HasSubstr("expected one of dci, irs, mig"));
  EXPECT_THAT(error({"--metrics", "mig,mig"}), HasSubstr("'mig' twice"));
  for (const char* name : {"--train_samples", "--test_samples"})
    EXPECT_THAT(error({name, "0"}), HasSubstr(name));
  EXPECT_THAT(error({"--irs_quantile", "1.5"}), HasSubstr("--irs_quantile"));
  EXPECT_THAT(error({"--seed", "-1"}), HasSubstr("--seed"));
}

TEST(MetricsConfigTest, TrainingEvaluatesThemWhereItIsAsked) {
  const auto plain = train({"--dataset", "ColoredDigits"}).value();
  EXPECT_EQ(core::name_of(plain.evaluation), std::string("knn"));
  EXPECT_EQ(plain.metrics_feature, eval::FeatureKind::kZ);
  const auto given =
      train({"--dataset", "ColoredDigits", "--eval", "metrics", "--metrics_feature", "h"}).value();
  EXPECT_EQ(core::name_of(given.evaluation), std::string("metrics"));
  EXPECT_EQ(given.metrics_feature, eval::FeatureKind::kH);
  EXPECT_THAT(train_error({"--eval", "metric"}), HasSubstr("one of knn, metrics"));
  EXPECT_THAT(train_error({"--metrics_feature", "y"}), HasSubstr("one of h, h_normalized, z"));
}

}  // namespace
}  // namespace ipirm::config
