// Checks what the command line refuses, word for word, and what --help and --version print.
#include "config/command_line.h"

#include <gmock/gmock.h>
#include <torch/version.h>

#include <random>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(CommandLineErrors, UnknownFlagOffersTheNearest) {
  EXPECT_EQ(train_error({"--epoch", "3"}), "unknown flag '--epoch'; did you mean --epochs?");
  EXPECT_EQ(train_error({"--batchsize=3"}),
            "unknown flag '--batchsize'; did you mean --batch_size?");
  EXPECT_EQ(train_error({"--crop-scale-mn=3"}),
            "unknown flag '--crop_scale_mn'; did you mean --crop_scale_min?");
  EXPECT_EQ(train_error({"--cofnig", "x.yaml"}), "unknown flag '--cofnig'; did you mean --config?");
  EXPECT_EQ(train_error({"--batch", "3"}), "unknown flag '--batch'; did you mean --batch_size?");
  EXPECT_EQ(train_error({"--maximize=3"}),
            "unknown flag '--maximize'; did you mean --maximize_lr?");
  EXPECT_EQ(train_error({"--utterly_unheard_of"}),
            "unknown flag '--utterly_unheard_of'; --help lists the flags");
  EXPECT_EQ(linear_error({"--model_paht", "x"}),
            "unknown flag '--model_paht'; did you mean --model_path?");
  EXPECT_THAT(train_error({"-e", "3"}), StartsWith("unknown flag '-e'"));
}

TEST(CommandLineErrors, StrayWords) {
  EXPECT_EQ(train_error({"stl.yaml"}),
            "unexpected argument 'stl.yaml'; every setting is a flag: --name value");
  EXPECT_THAT(train_error({"--offline", "yes"}), StartsWith("unexpected argument 'yes'"));
  EXPECT_THAT(train_error({"--offline=true", "true"}), StartsWith("unexpected argument 'true'"));
}

TEST(CommandLineErrors, MissingValue) {
  EXPECT_EQ(train_error({"--lr"}), "--lr: needs a value: expected a number > 0");
  EXPECT_EQ(train_error({"--name", "--baseline"}),
            "--name: needs a value, found the flag '--baseline'");
  EXPECT_EQ(train_error({"--lr", "--epochs", "3"}),
            "--lr: needs a value, found the flag '--epochs'");
  EXPECT_THAT(train_error({"--config"}), StartsWith("--config: needs a value"));
}

TEST(CommandLineErrors, WrongTypeAndOutOfRange) {
  const std::string count = "expected a whole number >= 1 and at most 1000000000";
  for (const char* bad : {"0", "-1", "many", "1.5", "1e3", "", " 3", "3 ", "0x10", "+3",
                          "99999999999999999999", "1000000001"}) {
    EXPECT_EQ(train_error({"--epochs", bad}),
              std::string("--epochs: found '") + bad + "', " + count);
  }
  for (const char* bad : {"0", "-1", "nan", "inf", "-inf", "1e999", "1e-999", "one", ".5x", ""}) {
    EXPECT_EQ(train_error({"--lr", bad}),
              std::string("--lr: found '") + bad + "', expected a number > 0");
  }
  EXPECT_EQ(train_error({"--weight_decay=-1e-9"}),
            "--weight_decay: found '-1e-9', expected a number >= 0");
  EXPECT_EQ(train_error({"--hflip", "1.01"}),
            "--hflip: found '1.01', expected a number from 0 to 1");
  EXPECT_EQ(train_error({"--crop_scale_min", "0"}),
            "--crop_scale_min: found '0', expected a number in (0, 1]");
  EXPECT_EQ(train_error({"--tau_plus", "1"}), "--tau_plus: found '1', expected a number in [0, 1)");
  EXPECT_EQ(train_error({"--env_num", "0"}),
            "--env_num: found '0', expected a whole number from 1 to 65536");
  EXPECT_EQ(train_error({"--seed", "-1"}), "--seed: found '-1', expected a whole number >= 0");
  EXPECT_EQ(train_error({"--offline=maybe"}), "--offline: found 'maybe', expected true or false");
  EXPECT_EQ(train_error({"--precision", "fp16"}),
            "--precision: found 'fp16', expected one of fp32, tf32, bf16");
  EXPECT_EQ(train_error({"--irm_mode", "v3"}), "--irm_mode: found 'v3', expected one of v1, v2");
  EXPECT_EQ(
      train_error({"--dataset", "stl"}),
      "--dataset: found 'stl', expected one of STL, CIFAR10, CIFAR100, Folder, ColoredDigits, "
      "MNIST, FashionMNIST, Shapes");
  for (const char* bad : {"5,", ",5", "35,5", "5,5", "a", "5;35", "-1,5", "5,,35"}) {
    EXPECT_EQ(
        train_error({"--maximize_milestones", bad}),
        std::string("--maximize_milestones: found '") + bad +
            "', expected ascending whole numbers >= 0 with commas between them, such as 5,35");
  }
  EXPECT_EQ(train_error({"--name", "a\nb"}),
            "--name: found 'a?b', expected a line of text without control characters");
  EXPECT_THAT(train_error({"--epochs", std::string(5000, '9')}).size(), testing::Lt(200u));
}

TEST(CommandLineErrors, LimitsThemselvesAreAllowed) {
  const TrainConfig c =
      *train({"--epochs", "1", "--hflip", "1", "--crop_scale_min", "1", "--tau_plus", "0",
              "--env_num", "2", "--epochs", "1048575", "--blur", "0"});
  EXPECT_EQ(c.train.epochs, 1048575);
  EXPECT_EQ(c.loss.tau_plus, 0);
  EXPECT_EQ(train({"--epochs", "1000000000", "--baseline"})->train.epochs, 1000000000);
  EXPECT_EQ(train({"--maximize_passes", "4096"})->maximize.passes, 4096);
}

// Each pass of a maximization has a number of its own for its random draws, as long as that is so.
TEST(CommandLineErrors, MoreThanRandomDrawsTellApartIsRefused) {
  EXPECT_EQ(train_error({"--epochs", "1048576"}),
            "--epochs: found '1048576', expected a whole number from 1 to 1048575, since the views "
            "of a maximization are drawn by the number of its epoch; more are possible with "
            "--baseline");
  EXPECT_EQ(train_error({"--maximize_passes", "4097"}),
            "--maximize_passes: found '4097', expected a whole number from 1 to 4096");
  const auto draw_number = [](int64_t maximization, int64_t pass) {
    return static_cast<uint64_t>(maximization << partition::kPassBits | pass);
  };
  const uint64_t last = draw_number(partition::kMaxMaximization, partition::kMaxPasses - 1);
  const auto stream = [](uint64_t number) {
    return core::KeyedRandom(1, core::Purpose::kMaximizeView, number).bits();
  };
  EXPECT_NO_THROW(stream(last));
  EXPECT_THROW(stream(last + 1), std::out_of_range);
}

// Everything on stdout while `action` runs.
template <class Action>
std::string printed(const Action& action) {
  testing::internal::CaptureStdout();
  action();
  return testing::internal::GetCapturedStdout();
}

// The keys of a config.yaml: every name of the table but those of the command line alone.
std::vector<std::string> keys(const std::string& yaml) {
  std::vector<std::string> names;
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(": ") != std::string::npos && line[0] != '#')
      names.push_back(line.substr(0, line.find(':')));
  }
  return names;
}

TEST(Help, ListsEveryFlagOfTrainWithDefaultAndRange) {
  const std::string help = printed([] { EXPECT_FALSE(train({"--help"}).has_value()); });
  auto names = keys(to_yaml(TrainConfig()));
  EXPECT_GT(names.size(), 50u);
  for (const char* name : {"config", "help", "version", "resume", "overwrite"})
    names.push_back(name);
  for (const auto& name : names) EXPECT_THAT(help, HasSubstr("--" + name)) << name;
  for (const char* group :
       {"Data:", "Augmentation:", "Model:", "Training:", "Loss (minimization):",
        "Environments (maximization):", "Evaluation and results:", "Run:", "Help and files:"}) {
    EXPECT_THAT(help, HasSubstr(std::string("\n") + group + "\n"));
  }
  EXPECT_THAT(help, testing::ContainsRegex(
                        "--epochs N +passes over the training set \\(>= 1, default 200\\)\n"));
  EXPECT_THAT(help,
              testing::ContainsRegex(
                  "--crop_size N +side of a training view, pixels \\(8 to 1024, default 32\\)\n"));
  EXPECT_THAT(help,
              testing::ContainsRegex("--precision fp32\\|tf32\\|bf16 +.*\\(default fp32\\)\n"));
  EXPECT_THAT(help, HasSubstr("Examples:\n  ipirm-train --config configs/quickstart.yaml\n"));
  EXPECT_THAT(help, StartsWith("Trains a network"));
  EXPECT_THAT(help, testing::Not(HasSubstr("\n\n\n")));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
}

TEST(Help, ListsEveryFlagOfLinear) {
  const std::string help = printed([] { EXPECT_FALSE(linear({"-h"}).has_value()); });
  LinearConfig config;
  config.arch = model::Arch::kResNet50;
  config.width = 64;
  auto names = keys(to_yaml(config));
  EXPECT_GT(names.size(), 20u);
  for (const char* name : {"config", "help", "version", "overwrite"}) names.push_back(name);
  for (const auto& name : names) EXPECT_THAT(help, HasSubstr("--" + name)) << name;
  EXPECT_THAT(help, HasSubstr("Examples:\n  ipirm-linear --model_path "));
}

TEST(Help, WinsOverOtherFlags) {
  EXPECT_THAT(printed([] {
                EXPECT_FALSE(train({"--epochs", "3", "--help"}).has_value());
              }),
              HasSubstr("Usage: ipirm-train"));
}

TEST(Version, NamesProgramAndTorch) {
  EXPECT_EQ(printed([] { EXPECT_FALSE(train({"--version"}).has_value()); }),
            std::string("ipirm-train 0.1.0 (torch ") + TORCH_VERSION + ")\n");
  EXPECT_THAT(printed([] { EXPECT_FALSE(linear({"--version"}).has_value()); }),
              StartsWith("ipirm-linear 0.1.0 (torch "));
}

// Any words give settings, a printed text or a UserError: never another exception.
TEST(CommandLineFuzz, OnlyUserErrors) {
  const std::vector<std::string> words = {"--epochs",
                                          "--lr=",
                                          "--",
                                          "-",
                                          "",
                                          "=",
                                          "--=",
                                          "---",
                                          "--=3",
                                          "-5",
                                          "-.5",
                                          "--offline",
                                          "--offline=",
                                          "--offline={}",
                                          "[1,2]",
                                          "{}",
                                          "--name",
                                          "++",
                                          "%%",
                                          "--no-x",
                                          "--epochs=[1]",
                                          "/h",
                                          "--\xff",
                                          "-\xff",
                                          "--name=[a,b]",
                                          "--config",
                                          "/",
                                          "3"};
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::string> line(random() % 5);
    for (auto& word : line) word = words[random() % words.size()];
    try {
      train(line);
    } catch (const core::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace ipirm::config
