// Checks that the reference's published command lines are read: what has no effect there is
// accepted here with a warning, and what would compute something else stays refused.
#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Words = std::vector<std::string>;

Words warnings(const Words& words) { return train(words)->warnings; }

// Split at blanks, as a shell would.
Words split(const std::string& line) {
  Words words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

TEST(ReferenceFlags, PublishedCommandLinesRunWithoutAWarning) {
  const std::string common =
      "--penalty_weight 0.2 --irm_weight_maxim 0.5 --maximize_iter 50 --random_init --constrain "
      "--constrain_relax --dataset STL --epochs 400 --offline --keep_cont --retain_group ";
  const std::string mixup = "--mixup --ours_mixup_mode full --temperature 0.2 ";
  for (const std::string& line :
       {common + "--name IPIRM_STL_epoch400", common + mixup + "--name IPIRM_STL_mixup_400epoch",
        common + mixup + "--mixup_max --retain_group_set 5",
        std::string("--mixup --baseline --dataset STL --epochs 400")}) {
    EXPECT_THAT(warnings(split(line)), IsEmpty()) << line;
  }
}

TEST(ReferenceFlags, DebiasedTakesAValueOrNone) {
  for (const char* on : {"--debiased", "--debiased True", "--debiased true", "--debiased 1",
                         "--debiased TRUE", "--debiased=True", "--debiased=1"}) {
    EXPECT_TRUE(train(split(std::string("--baseline ") + on))->loss.debiased) << on;
    EXPECT_TRUE(train(split(std::string(on) + " --baseline"))->loss.debiased) << on;
  }
  for (const char* off : {"--debiased False", "--debiased false", "--debiased 0", "--debiased=0",
                          "--debiased=False", "--debiased True --debiased False"}) {
    const TrainConfig c = *train(split(std::string(off) + " --baseline --epochs 3"));
    EXPECT_FALSE(c.loss.debiased) << off;
    EXPECT_TRUE(c.loss.baseline) << off;
    EXPECT_EQ(c.train.epochs, 3) << off;
  }
  EXPECT_THAT(train_error({"--baseline", "--debiased", "maybe"}), HasSubstr("'maybe'"));
  EXPECT_EQ(train_error({"--baseline", "--debiased=2"}),
            "--debiased: found '2', expected true or false");
}

TEST(ReferenceFlags, EveryBoolTakesAValueAsWell) {
  EXPECT_TRUE(train({"--offline", "True"})->maximize.offline);
  EXPECT_FALSE(train({"--offline", "--offline", "0"})->maximize.offline);
  EXPECT_FALSE(train({"--random-init", "FALSE"})->maximize.random_init);
  EXPECT_TRUE(linear({"--model_path", "a.pth", "--txt", "1"})->txt);
  EXPECT_EQ(train({"--k", "1", "--offline"})->knn.k, 1);  // a number's value stays its own
}

TEST(ReferenceFlags, WhatNoCodeReadsIsAcceptedWithOneLine) {
  const auto line = [](const std::string& flag) {
    return flag + " has no effect, as in the reference: it is ignored";
  };
  EXPECT_THAT(warnings({"--ours_mode", "w"}), ElementsAre(line("--ours_mode")));
  EXPECT_THAT(warnings({"--debug"}), ElementsAre(line("--debug")));
  EXPECT_THAT(warnings({"--groupnorm"}), ElementsAre(line("--groupnorm")));
  EXPECT_THAT(warnings({"--debug", "False"}), IsEmpty());
  const YamlFile file("ours_mode: w\ndebug: True\ngroupnorm: true\n");
  const TrainConfig c = *train({"--config", file.path(), "--debug"});
  EXPECT_THAT(c.warnings, ElementsAre(line("--ours_mode"), line("--debug"), line("--groupnorm")));
  EXPECT_EQ(to_yaml(c), to_yaml(*train({})));  // nothing of them is left in config.yaml
  EXPECT_THAT(train_error({"--ours_mode"}), HasSubstr("--ours_mode: needs a value"));
  EXPECT_THAT(train_error({"--debug=maybe"}), HasSubstr("expected true or false"));
}

TEST(ReferenceFlags, HelpSetsThemApart) {
  testing::internal::CaptureStdout();
  train({"--help"});
  const std::string help = testing::internal::GetCapturedStdout();
  const size_t heading = help.find("\nIgnored:\n");
  ASSERT_NE(heading, std::string::npos);
  for (const char* flag : {"--ours_mode", "--debug ", "--groupnorm"})
    EXPECT_GT(help.find(flag), heading) << flag;
}

TEST(ReferenceFlags, WhatHasNoEffectThereIsAcceptedWithAWarning) {
  EXPECT_THAT(warnings({"--constrain_relax"}),
              ElementsAre("--constrain_relax has no effect without --constrain: it is ignored"));
  EXPECT_THAT(warnings({"--debiased"}),
              ElementsAre("--debiased has no effect without --baseline: it is ignored"));
  EXPECT_THAT(warnings({"--mixup", "--baseline", "--debiased"}),
              ElementsAre("--debiased has no effect with --mixup, whose loss has no debiased form: "
                          "it is ignored"));
  EXPECT_THAT(warnings({"--mixup", "--retain_group_set", "5"}),
              ElementsAre("--retain_group_set has no effect without --retain_group: it is "
                          "ignored"));
  EXPECT_THAT(warnings({"--mixup", "--baseline", "--mixup_max", "--irm_mode", "v2"}), IsEmpty());
  const YamlFile file("constrain_relax: true\n");  // half from the file, half from the command line
  EXPECT_THAT(warnings({"--config", file.path(), "--constrain"}), IsEmpty());
}

TEST(ReferenceFlags, TheRunsOwnSettingsFileWarnsAgainAndIsTheSame) {
  const TrainConfig first = *train({"--constrain_relax", "--debiased", "True"});
  const std::string text = to_yaml(first);
  EXPECT_THAT(text, Not(HasSubstr("warning")));
  const YamlFile file(text);
  const TrainConfig second = *train({"--config", file.path()});
  EXPECT_EQ(to_yaml(second), text);
  EXPECT_EQ(second.warnings, first.warnings);
}

// The reference's two programs have no such flag, or stop at it.
TEST(ReferenceFlags, WhatWouldNotRunThereStaysRefused) {
  EXPECT_THAT(train_error({"--mixup_max"}), HasSubstr("add --mixup"));
  EXPECT_THAT(train_error({"--alpha", "2"}), HasSubstr("add --mixup"));
  EXPECT_THAT(train_error({"--retain_group", "--retain_group_set", "5"}),
              HasSubstr("belongs to the MixUp form"));
  EXPECT_THAT(train_error({"--mixup", "--mixup_max", "--irm_mode", "v2"}),
              HasSubstr("unmixed views alone"));
}

TEST(ReferenceNames, AnyFileNameIsTaken) {
  const std::string model = "results/STL/IPIRM_STL_epoch400/model_400.pth";
  EXPECT_EQ(linear({"--model_path", model})->name, "IPIRM_STL_epoch400");
  EXPECT_EQ(linear({"--model_path", "model_400.pth"})->name, "model_400");
  EXPECT_EQ(train({"--partition", "x/GroupResults_50.txt.npy"})->partition,
            "x/GroupResults_50.txt.npy");
  EXPECT_EQ(train({"--pretrain_model", model})->pretrain_model, model);
}

}  // namespace
}  // namespace ipirm::config
