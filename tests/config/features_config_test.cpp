// ipirm-features' settings: defaults, names of kinds, what is missing or wrong.
#include "ipirm/config/features_config.h"

#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

std::optional<FeaturesConfig> parse(const Words& more) {
  Words words = {"--model_path", "m.pt", "--out", "f.npy"};
  words.insert(words.end(), more.begin(), more.end());
  const auto argv = arguments(words);
  return parse_features(static_cast<int>(argv.size()), argv.data());
}

TEST(FeaturesConfigTest, NamesWhatIsTakenOfWhichImages) {
  const auto plain = parse({}).value();
  EXPECT_EQ(plain.feature, eval::FeatureKind::kHNormalized);
  EXPECT_EQ(plain.split, data::Part::kTrain);
  EXPECT_FALSE(plain.overwrite);
  EXPECT_EQ(parse({"--feature", "h"})->feature, eval::FeatureKind::kH);
  EXPECT_EQ(parse({"--feature", "z"})->feature, eval::FeatureKind::kZ);
  EXPECT_EQ(parse({"--split", "labelled"})->split, data::Part::kLabelled);
  EXPECT_EQ(parse({"--split", "test"})->split, data::Part::kTest);
  EXPECT_EQ(parse({"--factors_csv", "x.csv"})->data.factors_csv, "x.csv");
}

TEST(FeaturesConfigTest, RefusesWhatIsMissingOrWrong) {
  const auto error = [](const Words& words) { return user_error([&] { parse(words); }); };
  EXPECT_THAT(error({"--model_path", ""}), HasSubstr("--model_path is missing"));
  EXPECT_THAT(error({"--out", ""}), HasSubstr("--out is missing"));
  for (const char* out : {"f", "f.pt", "f.npy.gz", ".npy", "a/.npy", "npy"})
    EXPECT_THAT(error({"--out", out}), HasSubstr("expected a file that ends in .npy")) << out;
  EXPECT_THAT(error({"--feature", "H"}), HasSubstr("one of h, h_normalized, z"));
  EXPECT_THAT(error({"--split", "val"}), HasSubstr("one of train, labelled, test"));
  EXPECT_THAT(error({"--data_root", ""}), HasSubstr("--data_root is empty"));
}

}  // namespace
}  // namespace ipirm::config
