// Checks ipirm-train's settings: defaults, precedence, shared values, the way through config.yaml,
// contradictions.
#include "ipirm/config/train_config.h"

#include <gmock/gmock.h>

#include <sstream>

#include "config/config_test_util.h"

namespace ipirm::config {
namespace {

using testing::HasSubstr;

TEST(TrainDefaults, AreThoseOfTheReference) {
  const TrainConfig c = *train({});
  EXPECT_EQ(c.model.feature_dim, 128);
  EXPECT_EQ(c.loss.temperature, 0.5);
  EXPECT_EQ(c.loss.tau_plus, 0.1);
  EXPECT_EQ(c.knn.k, 200);
  EXPECT_EQ(c.train.batch_size, 256);
  EXPECT_EQ(c.train.epochs, 200);
  EXPECT_EQ(c.data.dataset, data::DataSetKind::kStl);
  EXPECT_EQ(c.train.penalty_weight, 1.0);
  EXPECT_EQ(c.train.penalty_iters, 0);
  EXPECT_EQ(c.loss.num_env, 2);
  EXPECT_EQ(c.train.maximize_iter, 30);
  EXPECT_EQ(c.maximize.risk.irm_mode, partition::IrmMode::kPenalty);
  EXPECT_EQ(c.maximize.risk.irm_weight, 1.0);
  EXPECT_EQ(c.loss.irm_temperature, 0.5);
  EXPECT_EQ(c.loader.workers, 6);
  EXPECT_EQ(c.train.seed, 1234u);
  EXPECT_EQ(c.train.lr, 1e-3);
  EXPECT_EQ(c.train.weight_decay, 1e-6);
  EXPECT_EQ(c.train.save_every, 25);
  EXPECT_EQ(c.train.eval_every, 25);
  EXPECT_EQ(c.train.log_every, 10);
  EXPECT_EQ(c.maximize.batch_size, 3096);
  EXPECT_EQ(c.maximize.passes, 61);
  EXPECT_EQ(c.maximize.lr, 0.5);
  EXPECT_EQ(c.maximize.milestones, (std::vector<int64_t>{5, 35}));
  EXPECT_EQ(c.augment.crop_scale_min, 0.08);
  EXPECT_EQ(c.augment.hflip, 0.5);
  EXPECT_EQ(c.device, core::DeviceChoice());
  EXPECT_EQ(c.precision, model::Precision::kFp32);
  for (const bool flag :
       {c.loss.debiased, c.loss.baseline, c.loss.keep_cont, c.train.increasing_weight,
        c.train.retain_group, c.maximize.random_init, c.maximize.offline,
        c.maximize.risk.balance.constrain, c.maximize.risk.balance.constrain_relax,
        c.maximize.risk.balance.nonorm, c.no_shuffle, c.overwrite, c.resume, c.train.bf16}) {
    EXPECT_FALSE(flag);
  }
}

TEST(TrainDefaults, NameFollowsTheMethod) {
  EXPECT_EQ(train({})->name, "ipirm");
  EXPECT_EQ(train({"--baseline"})->name, "baseline");
  EXPECT_EQ(train({"--baseline", "--name", "mine"})->name, "mine");
}

TEST(TrainPrecedence, CommandLineOverFileOverDefault) {
  const YamlFile file("epochs: 7\nbatch_size: 32\noffline: true\nconstrain: true\n");
  const TrainConfig c = *train({"--epochs", "9", "--config", file.path(), "--constrain=false"});
  EXPECT_EQ(c.train.epochs, 9);          // both
  EXPECT_EQ(c.train.batch_size, 32);     // file alone
  EXPECT_EQ(c.train.maximize_iter, 30);  // neither
  EXPECT_TRUE(c.maximize.offline);
  EXPECT_FALSE(c.maximize.risk.balance.constrain);
}

TEST(TrainPrecedence, LastOfARepeatedFlagWins) {
  EXPECT_EQ(train({"--epochs", "3", "--epochs=5"})->train.epochs, 5);
  EXPECT_FALSE(train({"--offline", "--offline=false"})->maximize.offline);
}

TEST(TrainCommandLine, TakesDashesForUnderscores) {
  const TrainConfig c = *train({"--crop-scale-min=.4", "--keep-cont", "--name", "with-dash"});
  EXPECT_EQ(c.augment.crop_scale_min, 0.4);
  EXPECT_TRUE(c.loss.keep_cont);
  EXPECT_EQ(c.name, "with-dash");
}

TEST(TrainCommandLine, EmptyValueIsAValue) {
  EXPECT_TRUE(train({"--maximize_milestones=", "--offline"})->maximize.milestones.empty());
  EXPECT_TRUE(train({"--maximize_milestones", "", "--offline"})->maximize.offline);
}

TEST(TrainSharedValues, ReachEveryRoom) {
  const TrainConfig c =
      *train({"--temperature", ".2", "--irm_temp", ".3", "--env_num", "5", "--seed",
              "18446744073709551615", "--no_shuffle", "--precision", "bf16"});
  EXPECT_EQ(c.loss.temperature, 0.2);
  EXPECT_EQ(c.maximize.risk.temperature, 0.2);
  EXPECT_EQ(c.knn.temperature, 0.2);
  EXPECT_EQ(c.loss.irm_temperature, 0.3);
  EXPECT_EQ(c.maximize.risk.irm_temperature, 0.3);
  EXPECT_EQ(c.loss.num_env, 5);
  EXPECT_EQ(c.maximize.num_env, 5);
  EXPECT_EQ(c.train.seed, UINT64_MAX);
  EXPECT_EQ(c.maximize.seed, UINT64_MAX);
  EXPECT_FALSE(c.train.shuffle);
  EXPECT_FALSE(c.maximize.shuffle);
  EXPECT_TRUE(c.train.bf16);
}

// Every flag with a value other than its default.
const std::vector<std::string> kEverything = [] {
  std::istringstream plain(
      "--dataset CIFAR100 --image_size 0 --colours 10 --colour_noise 80 "
      "--colour_correlation --pad 1 --shapes_train 7 --shapes_test 8 --workers 3 "
      "--augment none --crop_size 48 --crop_scale_min 0.1 --hflip 0.3 --jitter 0.7 "
      "--jitter_probability 0.6 --grayscale 0.1 --blur 0 --arch resnet18 --width 16 "
      "--feature_dim 64 --pretrain_model w.pt --epochs 3 --batch_size 16 --lr 0.1 "
      "--weight_decay 1e-300 --precision bf16 --seed 18446744073709551615 --no_shuffle "
      "--max_steps 4 --temperature 0.07 --irm_temp 0.30000000000000004 --penalty_weight 2 "
      "--penalty_iters 1 --increasing_weight --keep_cont --retain_group --tau_plus 0.2 "
      "--env_num 3 --maximize_iter 5 --partition p.npy --offline --random_init "
      "--irm_mode v2 --irm_weight_maxim 0.2 --constrain --constrain_relax --nonorm "
      "--maximize_batch 0 --maximize_passes 9 --maximize_lr 0.25 "
      "--maximize_milestones 1,2,3 --k 50 --eval_every 2 --save_every 6 --log_every 1 "
      "--results_root out --tensorboard --device cpu --deterministic --log_level off ");
  std::vector<std::string> words = {"--data_root", "/da \"ta\\ #1: {x}", "--name",
                                    "a \xc3\xa9 'b'"};
  for (std::string word; plain >> word;) words.push_back(word);
  return words;
}();

TEST(TrainYaml, ComesBackTheSame) {
  const TrainConfig first = *train(kEverything);
  const std::string text = to_yaml(first);
  const YamlFile file(text);
  const TrainConfig second = *train({"--config", file.path()});
  EXPECT_EQ(to_yaml(second), text);
  // Text alone could agree while a field is written and not read.
  EXPECT_EQ(second.data.root, first.data.root);
  EXPECT_EQ(second.name, first.name);
  EXPECT_EQ(second.train.weight_decay, 1e-300);
  EXPECT_EQ(second.loss.irm_temperature, 0.30000000000000004);
  EXPECT_EQ(second.maximize.seed, UINT64_MAX);
  EXPECT_EQ(second.maximize.milestones, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_TRUE(second.train.increasing_weight && second.maximize.risk.balance.nonorm &&
              second.no_shuffle);
}

TEST(TrainYaml, HoldsEverySettingOfTheCommandLine) {
  const std::string plain = to_yaml(*train({})), full = to_yaml(*train(kEverything));
  for (const auto& word : kEverything) {
    if (!word.starts_with("--")) continue;
    const std::string key = "\n" + word.substr(2) + ": ";
    ASSERT_THAT(full, HasSubstr(key));
    const auto line = [&](const std::string& text) {
      const size_t start = text.find(key) + 1;
      return text.substr(start, text.find('\n', start) - start);
    };
    EXPECT_NE(line(full), line(plain)) << "the default was given, so this proves nothing";
  }
}

TEST(TrainYaml, ComesBackTheSameForDefaultsAndBaseline) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{}, {"--baseline", "--debiased"}}) {
    const std::string text = to_yaml(*train(words));
    const YamlFile file(text);
    EXPECT_EQ(to_yaml(*train({"--config", file.path()})), text);
  }
}

TEST(TrainYaml, LeavesOutWhatIsAboutOneCall) {
  for (const char* flag : {"--resume", "--overwrite", "--check_data"})
    EXPECT_THAT(to_yaml(*train({flag})), testing::Not(HasSubstr(flag + 2)));
}

TEST(TrainContradictions, AreRefused) {
  EXPECT_THAT(train_error({"--baseline", "--partition", "p.npy"}),
              HasSubstr("remove one of the two"));
  EXPECT_THAT(train_error({"--overwrite", "--resume"}), HasSubstr("--overwrite and --resume"));
  EXPECT_THAT(train_error({"--maximize_batch", "1"}),
              HasSubstr("--maximize_batch: found '1', expected 0"));
  EXPECT_THAT(train_error({"--data_root", ""}), HasSubstr("--data_root is empty"));
  EXPECT_THAT(train_error({"--results_root="}), HasSubstr("--results_root is empty"));
  for (const char* name : {"a/b", "..", ".", "/abs"}) {
    EXPECT_EQ(train_error({"--name", name}),
              std::string("--name: found '") + name +
                  "', expected the name of one folder: no '/', not '.' or '..', at most "
                  "200 characters");
  }
}

TEST(TrainContradictions, AnIpIrmFileServesTheBaselineToo) {
  const TrainConfig c = *train({"--config", "configs/quickstart.yaml", "--baseline"});
  EXPECT_TRUE(c.loss.baseline);
  EXPECT_EQ(c.name, "baseline");
}

TEST(TrainMixup, DefaultsAreThoseOfTheReference) {
  const TrainConfig c = *train({"--mixup"});
  EXPECT_TRUE(c.loss.mixup.on);
  EXPECT_EQ(c.loss.mixup.alpha, 1);
  EXPECT_EQ(c.loss.mixup.mode, loss::MixupMode::kFull);
  EXPECT_FALSE(c.maximize.mixup);
  EXPECT_EQ(c.train.retain_group_set, 0);
  EXPECT_EQ(c.loader.workers, 6);
  EXPECT_EQ(train({"--mixup", "--alpha", ".3"})->maximize.alpha, .3);
}

// METHOD 6: the search's defaults follow from the recipe, and what is given wins over them.
TEST(TrainMixup, TheSearchHasItsOwnDefaults) {
  const auto expect = [](const std::vector<std::string>& words, int64_t batch, int64_t passes,
                         double lr, std::vector<int64_t> milestones, int64_t stop_after) {
    const auto search = train(words)->maximize;
    EXPECT_EQ(search.batch_size, batch);
    EXPECT_EQ(search.passes, passes);
    EXPECT_EQ(search.lr, lr);
    EXPECT_EQ(search.milestones, milestones);
    EXPECT_EQ(search.stop_after, stop_after);
  };
  expect({}, 3096, 61, .5, {5, 35}, 50);
  expect({"--mixup"}, 2048, 61, .5, {5, 35}, 50);
  expect({"--mixup", "--dataset", "CIFAR10"}, 3096, 61, .5, {5, 35}, 50);
  expect({"--mixup", "--offline"}, 3096, 61, .5, {5, 35}, 50);
  expect({"--mixup", "--mixup_max", "--offline"}, 2048, 61, .5, {5, 35}, 50);
  expect({"--mixup", "--mixup_max"}, 2048, 31, .1, {5, 25}, 25);
  expect({"--mixup", "--mixup_max", "--dataset", "CIFAR10"}, 3096, 31, .1, {5, 25}, 25);
  expect({"--mixup", "--mixup_max", "--maximize_batch", "100", "--maximize_passes", "61",
          "--maximize_lr", ".5", "--maximize_milestones", "3"},
         100, 61, .5, {3}, 25);
  const YamlFile file("mixup: true\nmixup_max: true\nmaximize_lr: 0.3\n");
  expect({"--config", file.path()}, 2048, 31, .3, {5, 25}, 25);
  expect({"--config", file.path(), "--offline"}, 2048, 61, .3, {5, 35}, 50);
}

TEST(TrainMixup, ComesBackTheSame) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--mixup", "--alpha", "0.30000000000000004", "--ours_mixup_mode", "full", "--mixup_max",
            "--retain_group", "--retain_group_set", "5"},
           {"--mixup", "--mixup_max", "--offline", "--maximize_passes", "31"},
           {"--mixup", "--baseline"}}) {
    const std::string text = to_yaml(*train(words));
    const YamlFile file(text);
    const auto again = train({"--config", file.path()});
    EXPECT_EQ(to_yaml(*again), text);
    EXPECT_EQ(again->maximize.stop_after, train(words)->maximize.stop_after);
  }
}

TEST(TrainMixup, WhatTheMethodDoesNotDefineIsRefusedWithTheReason) {
  EXPECT_THAT(train_error({"--mixup_max"}), HasSubstr("add --mixup or remove --mixup_max"));
  EXPECT_THAT(train_error({"--alpha", "2"}), HasSubstr("add --mixup or remove --alpha"));
  EXPECT_THAT(train_error({"--mixup", "--alpha", "0"}),
              HasSubstr("--alpha: found '0', expected a number > 0"));
  EXPECT_THAT(train_error({"--mixup", "--alpha", "-1"}), HasSubstr("expected a number > 0"));
  EXPECT_THAT(train_error({"--mixup", "--ours_mixup_mode", "naive"}),
              HasSubstr("--ours_mixup_mode: found 'naive', expected one of full"));
  EXPECT_THAT(train_error({"--retain_group", "--retain_group_set", "5"}),
              HasSubstr("belongs to the MixUp form"));
  EXPECT_THAT(train_error({"--mixup", "--mixup_max", "--irm_mode", "v2"}),
              HasSubstr("unmixed views alone"));
  EXPECT_TRUE(train({"--mixup", "--irm_mode", "v2"}).has_value());  // the search is unmixed
  EXPECT_TRUE(train({"--mixup", "--mixup_max", "--nonorm"}).has_value());
}

TEST(TrainMixup, TheRepositorysSettingsAreTheReferences) {
  const TrainConfig stl = *train({"--config", "configs/stl_mixup.yaml"});
  const TrainConfig cifar = *train({"--config", "configs/cifar100_mixup.yaml"});
  EXPECT_EQ(stl.data.dataset, data::DataSetKind::kStl);
  EXPECT_EQ(cifar.data.dataset, data::DataSetKind::kCifar100);
  EXPECT_TRUE(stl.maximize.offline && !stl.maximize.mixup);
  EXPECT_TRUE(!cifar.maximize.offline && cifar.maximize.mixup);
  EXPECT_EQ(cifar.maximize.passes, 31);
  for (const TrainConfig& c : {stl, cifar}) {
    EXPECT_TRUE(c.loss.mixup.on && c.loss.keep_cont && c.train.retain_group);
    EXPECT_TRUE(c.maximize.random_init && c.maximize.risk.balance.constrain_relax);
    EXPECT_EQ(c.loss.temperature, .2);
    EXPECT_EQ(c.train.penalty_weight, .2);
    EXPECT_EQ(c.maximize.risk.irm_weight, .5);
    EXPECT_EQ(c.train.maximize_iter, 50);
    EXPECT_EQ(c.train.epochs, 400);
  }
  const TrainConfig baseline = *train({"--config", "configs/baseline_mixup.yaml"});
  EXPECT_TRUE(baseline.loss.baseline && baseline.loss.mixup.on);
  EXPECT_EQ(baseline.loss.temperature, .5);
}

TEST(TrainConfigs, OfTheRepositoryAreReadAndMeanTheRunsOfThePaper) {
  const TrainConfig quick = *train({"--config", "configs/quickstart.yaml"});
  EXPECT_EQ(quick.data.dataset, data::DataSetKind::kColoredDigits);
  EXPECT_EQ(quick.model.arch, model::Arch::kResNet18);
  EXPECT_EQ(quick.model.width, 16);
  EXPECT_EQ(quick.augment.crop_scale_min, 0.4);
  EXPECT_EQ(quick.augment.hflip, 0);
  EXPECT_EQ(quick.train.maximize_iter, 10);
  EXPECT_EQ(quick.train.epochs, 30);
  const TrainConfig stl = *train({"--config", "configs/stl.yaml"});
  const TrainConfig cifar = *train({"--config", "configs/cifar100.yaml"});
  EXPECT_EQ(stl.data.dataset, data::DataSetKind::kStl);
  EXPECT_EQ(cifar.data.dataset, data::DataSetKind::kCifar100);
  EXPECT_EQ(stl.maximize.risk.irm_weight, 0.5);
  EXPECT_EQ(cifar.maximize.risk.irm_weight, 0.2);
  const TrainConfig fashion = *train({"--config", "configs/fashion_colours.yaml"});
  const TrainConfig shapes = *train({"--config", "configs/shapes.yaml"});
  EXPECT_EQ(fashion.data.dataset, data::DataSetKind::kFashionMnist);
  EXPECT_EQ(fashion.data.colours, 10);
  EXPECT_EQ(fashion.data.colour_noise, 80);
  EXPECT_EQ(shapes.data.dataset, data::DataSetKind::kShapes);
  EXPECT_EQ(shapes.data.shapes_train, 20000);
  for (const TrainConfig& c : {quick, stl, cifar, fashion, shapes}) {
    EXPECT_EQ(c.train.penalty_weight, 0.2);
    EXPECT_TRUE(c.maximize.offline && c.maximize.random_init && c.loss.keep_cont &&
                c.train.retain_group);
    EXPECT_TRUE(c.maximize.risk.balance.constrain && c.maximize.risk.balance.constrain_relax);
  }
  for (const TrainConfig& c : {stl, cifar}) {
    EXPECT_EQ(c.train.epochs, 400);
    EXPECT_EQ(c.train.maximize_iter, 50);
    EXPECT_EQ(c.model.arch, model::Arch::kResNet50);
    EXPECT_EQ(c.augment.crop_scale_min, 0.08);
  }
}

}  // namespace
}  // namespace ipirm::config
