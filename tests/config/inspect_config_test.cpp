// ipirm-inspect's settings: the run without a flag, several runs beside it, what is missing.
#include "ipirm/config/inspect_config.h"

#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

std::optional<InspectConfig> parse(const Words& words) {
  const auto argv = arguments(words);
  return parse_inspect(static_cast<int>(argv.size()), argv.data());
}

TEST(InspectConfigTest, TakesRunsWithAndWithoutFlags) {
  const auto plain = parse({"results/a"}).value();
  EXPECT_EQ(plain.run, "results/a");
  EXPECT_EQ(plain.out, "results/a/inspect");
  EXPECT_THAT(plain.against, IsEmpty());
  EXPECT_FALSE(plain.epoch);
  const auto many = parse({"a", "--against", "b", "c", "--epoch", "4", "--out", "o"}).value();
  EXPECT_THAT(many.against, ElementsAre("b", "c"));
  EXPECT_EQ(many.epoch, 4);
  EXPECT_EQ(many.out, "o");
  EXPECT_THAT(parse({"--against", "b,c", "--run", "a"})->against, ElementsAre("b", "c"));
  EXPECT_THAT(parse({"--against=b,c", "--run=a"})->against, ElementsAre("b", "c"));
  EXPECT_THAT(
      parse({"a", "--against", "b", "--bank", "9", "--against=c", "--against", "d"})->against,
      ElementsAre("b", "c", "d"));
  EXPECT_FALSE(plain.precision);
  EXPECT_FALSE(plain.bank);
}

TEST(InspectConfigTest, RefusesWhatIsMissingOrWrong) {
  const auto error = [](const Words& words) { return user_error([&] { parse(words); }); };
  EXPECT_THAT(error({}), HasSubstr("RUN is missing"));
  EXPECT_THAT(error({"a", "--against"}), HasSubstr("--against: needs a value"));
  EXPECT_THAT(error({"a", "b"}), HasSubstr("unexpected argument 'b'"));
  EXPECT_THAT(error({"a", "--sheet_images", "1"}), HasSubstr("--sheet_images"));
}

}  // namespace
}  // namespace ipirm::config
