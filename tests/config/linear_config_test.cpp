// Checks ipirm-linear's settings: defaults, what is inferred, precedence, the way through YAML,
// contradictions.
#include "ipirm/config/linear_config.h"

#include <gmock/gmock.h>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(LinearDefaults, AreThoseOfTheReference) {
  const LinearConfig c = *linear({"--model_path", "results/STL/mine/model_400.pt"});
  EXPECT_EQ(c.model_path, "results/STL/mine/model_400.pt");
  EXPECT_EQ(c.linear.batch_size, 512);
  EXPECT_EQ(c.linear.epochs, 100);
  EXPECT_EQ(c.linear.lr, std::vector<double>{1e-3});
  EXPECT_EQ(c.linear.weight_decay, std::vector<double>{1e-6});
  EXPECT_EQ(c.linear.bn, eval::BatchNormMode::kTrain);
  EXPECT_EQ(c.linear.seed, 1234u);
  EXPECT_EQ(c.data.dataset, data::DataSetKind::kStl);
  EXPECT_EQ(c.loader.workers, 6);
  EXPECT_EQ(c.downstream_root, "downstream");
  EXPECT_FALSE(c.txt || c.overwrite || c.resume);
  EXPECT_FALSE(c.arch.has_value() || c.width.has_value());
}

TEST(LinearDefaults, NameIsTheFolderOfTheModel) {
  EXPECT_EQ(linear({"--model_path", "results/STL/mine/model_400.pt"})->name, "mine");
  EXPECT_EQ(linear({"--model_path", "results/STL/mine/model_400.pt", "--name", "other"})->name,
            "other");
  EXPECT_EQ(linear({"--model_path", "model_400.pt"})->name, "model_400");
  EXPECT_EQ(linear({"--model_path", "./model_400.pt"})->name, "model_400");
  EXPECT_EQ(linear({"--model_path", "../model_400.pt"})->name, "model_400");
}

TEST(LinearDefaults, ResumeImpliesFiles) {
  const LinearConfig c = *linear({"--model_path", "a.pt", "--resume"});
  EXPECT_TRUE(c.resume && c.txt);
  EXPECT_THAT(to_yaml(c), HasSubstr("txt: true"));
  EXPECT_THAT(to_yaml(c), Not(HasSubstr("resume")));
  EXPECT_EQ(linear_error({"--model_path", "a.pt", "--resume", "--overwrite"}),
            "--overwrite and --resume contradict each other: give one of the two");
}

TEST(LinearPrecedence, CommandLineOverFileOverDefault) {
  const YamlFile file("model_path: a/b.pt\nepochs: 7\nbn: eval\narch: resnet18\n");
  const LinearConfig c = *linear({"--config", file.path(), "--epochs=9", "--width", "16"});
  EXPECT_EQ(c.model_path, "a/b.pt");
  EXPECT_EQ(c.linear.epochs, 9);
  EXPECT_EQ(c.linear.bn, eval::BatchNormMode::kEval);
  EXPECT_EQ(c.linear.batch_size, 512);
  EXPECT_EQ(c.arch, model::Arch::kResNet18);
  EXPECT_EQ(c.width, 16);
}

TEST(LinearYaml, ComesBackTheSame) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--model_path", "a/b.pt"},
           {"--model_path", "a/b.pt", "--arch", "resnet34", "--width", "16", "--txt", "--bn",
            "eval", "--hflip", "0"}}) {
    const LinearConfig first = *linear(words);
    const std::string text = to_yaml(first);
    const YamlFile file(text);
    const LinearConfig second = *linear({"--config", file.path()});
    EXPECT_EQ(to_yaml(second), text);
    EXPECT_EQ(second.arch, first.arch);
    EXPECT_EQ(second.width, first.width);
    EXPECT_EQ(second.txt, first.txt);
    EXPECT_EQ(second.linear.bn, first.linear.bn);
  }
}

TEST(LinearLists, GiveHeadsToChooseFrom) {
  const LinearConfig c =
      *linear({"--model_path", "a.pt", "--lr", ".1,.03,.01", "--weight_decay", "0,1e-6"});
  EXPECT_EQ(c.linear.lr, (std::vector<double>{.1, .03, .01}));
  EXPECT_EQ(c.linear.weight_decay, (std::vector<double>{0, 1e-6}));
  EXPECT_EQ(c.linear.num_heads(), 6);
  EXPECT_EQ(c.linear.lr_of(4), .03);
  EXPECT_EQ(c.linear.weight_decay_of(4), 1e-6);
  EXPECT_THAT(to_yaml(c), HasSubstr("lr: 0.1,0.03,0.01\n"));
  EXPECT_THAT(to_yaml(*linear({"--model_path", "a.pt"})), HasSubstr("lr: 0.001\n"));
  for (const std::string line : {"lr: .1,.03\n", "lr: [.1, .03]\n"}) {
    const YamlFile file("model_path: a.pt\n" + line);
    EXPECT_EQ(linear({"--config", file.path()})->linear.lr, (std::vector<double>{.1, .03}));
  }
  for (const std::string bad : {".1,.1", ".1,", "0,.1", "x", ".1 .2"}) {
    EXPECT_EQ(linear_error({"--model_path", "a.pt", "--lr", bad}),
              "--lr: found '" + bad +
                  "', expected a number > 0, or several that differ with commas between them, "
                  "such as .1,.03");
  }
}

TEST(LinearCache, NeedsFeaturesThatStay) {
  const std::vector<std::string> fixed = {"--model_path", "a.pt",      "--bn",
                                          "eval",         "--augment", "none"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), fixed.begin(), fixed.end());
    return more;
  };
  EXPECT_TRUE(linear(with({"--cache"}))->linear.cache);
  const LinearConfig lbfgs = *linear(with({"--optimizer", "lbfgs", "--epochs", "7"}));
  EXPECT_TRUE(lbfgs.linear.cache);
  EXPECT_EQ(lbfgs.linear.epochs, 1);
  for (const std::string left_out : {"train", "simclr"}) {
    auto words = with({"--cache"});
    words.insert(words.end(), {left_out == "train" ? "--bn" : "--augment", left_out});
    EXPECT_THAT(linear_error(words), HasSubstr("give --bn eval --augment none"));
  }
  EXPECT_THAT(linear_error({"--model_path", "a.pt", "--optimizer", "lbfgs"}),
              testing::StartsWith("--optimizer lbfgs embeds each image once"));
  EXPECT_THAT(linear_error(with({"--optimizer", "lbfgs", "--lr", ".1,.2"})),
              HasSubstr("--optimizer lbfgs has no learning rate"));
}

TEST(LinearPredict, ImpliesFiles) {
  const LinearConfig c = *linear({"--model_path", "a.pt", "--predict"});
  EXPECT_TRUE(c.predict && c.txt);
  EXPECT_THAT(to_yaml(c), Not(HasSubstr("predict")));
}

TEST(LinearCheckData, NeedsNoModel) {
  const LinearConfig c = *linear({"--check_data"});
  EXPECT_TRUE(c.check_data);
  EXPECT_THAT(to_yaml(c), testing::Not(HasSubstr("check_data")));
  EXPECT_FALSE(linear({"--model_path", "a.pt"})->check_data);
}

TEST(LinearErrors, NameFlagAndExpectation) {
  EXPECT_EQ(linear_error({}), "--model_path is missing: name the .pt file to evaluate");
  EXPECT_EQ(linear_error({"--model_path", "a.pt", "--bn", "frozen"}),
            "--bn: found 'frozen', expected one of train, eval");
  EXPECT_EQ(linear_error({"--model_path", "a.pt", "--width", "0"}),
            "--width: found '0', expected a whole number from 16 to 1024");
  EXPECT_EQ(linear_error({"--model_path", "a.pt", "--arch", "vgg"}),
            "--arch: found 'vgg', expected one of resnet18, resnet34, resnet50, "
            "resnet101");
  EXPECT_THAT(linear_error({"--model_path", "a.pt", "--name", "a/b"}),
              HasSubstr("--name: found 'a/b'"));
  EXPECT_THAT(linear_error({"--model_path", "a.pt", "--downstream_root", ""}),
              HasSubstr("--downstream_root is empty"));
  EXPECT_THAT(linear_error({"--model_path", "a.pt", "--data_root", ""}),
              HasSubstr("--data_root is empty"));
}

}  // namespace
}  // namespace ipirm::config
