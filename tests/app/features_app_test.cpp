// ipirm-features in the test process: rows in the set's order, each kind of features, the labels
// beside them, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "app/programs.h"
#include "ipirm/augment/recipe.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;
// Batches of other sizes are summed in another order: float32 rounding of features below 10.
constexpr double kRounding = 1e-5;

class FeaturesApp : public ProgramTest {
 protected:
  FeaturesApp() {
    core::set_log_level(core::LogLevel::kInfo);
    torch::manual_seed(4);
    model_ = model::Model(
        model::ModelOptions{.arch = model::Arch::kResNet18, .width = 16, .feature_dim = 8});
    for (auto& buffer : model_->named_buffers()) {  // as after training: no two alike
      if (buffer.value().is_floating_point()) buffer.value().uniform_(.5, 1.5);
    }
    model_->eval();
    own_ = checkpoint::state_dict(*model_);
    checkpoint::write_torch_file(path("model.pt"), own_);
  }

  Outcome run_on(const Words& more) const {
    return features(Words{"--model_path", path("model.pt"), "--dataset", "ColoredDigits", "--out",
                          path("f.npy"), "--workers", "2", "--device", "cpu"} +
                    more);
  }
  torch::Tensor rows() const { return checkpoint::read_npy(path("f.npy")); }
  // The first images of a set as the network sees them, (n, 3, H, W).
  static torch::Tensor views(const data::ImageSet& set, int64_t n) {
    std::vector<torch::Tensor> all;
    const torch::Tensor mean = torch::tensor({.4914F, .4822F, .4465F}).view({3, 1, 1});
    const torch::Tensor std = torch::tensor({.2023F, .1994F, .2010F}).view({3, 1, 1});
    for (int64_t i = 0; i < n; ++i) {
      std::vector<uint8_t> scratch;
      const data::Image image = set.image(i, scratch);
      auto pixels = torch::empty({3, image.height, image.width});
      for (int c = 0; c < 3; ++c) {
        for (int y = 0; y < image.height; ++y) {
          for (int x = 0; x < image.width; ++x)
            pixels[c][y][x] = image.pixels[c * image.channel_stride + y * image.row_stride +
                                           x * image.column_stride] /
                              255.F;
        }
      }
      all.push_back((pixels - mean) / std);
    }
    return torch::stack(all);
  }

  model::Model model_{nullptr};
  checkpoint::StateDict own_;
};

TEST_F(FeaturesApp, AreTheNetworksOutputsInTheSetsOrder) {
  torch::NoGradGuard no_grad;
  const auto set = data::open_data_sets({.dataset = data::DataSetKind::kColoredDigits}).test;
  const auto images = views(*set, 5);
  const auto [feature, projection] = model_->forward(images);
  for (const auto& [kind, expected] :
       {std::pair{"h", model_->encode(images)}, {"h_normalized", feature}, {"z", projection}}) {
    const auto outcome =
        run_on({"--split", "test", "--feature", kind, "--batch_size", "50", "--overwrite"});
    ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
    const auto found = rows();
    EXPECT_EQ(found.scalar_type(), torch::kFloat32);
    ASSERT_EQ(found.sizes(), (std::vector<int64_t>{360, expected.size(1)}));
    EXPECT_LT((found.slice(0, 0, 5) - expected).abs().max().item<float>(), kRounding) << kind;
    // Whatever the batches: one of another size ends elsewhere.
    ASSERT_EQ(
        run_on({"--split", "test", "--feature", kind, "--batch_size", "37", "--overwrite"}).code,
        kExitOk);
    EXPECT_LT((rows() - found).abs().max().item<float>(), kRounding) << kind;
  }
}

TEST_F(FeaturesApp, FactorsStandBesideThem) {
  const auto outcome = run_on({"--split", "test"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("resnet18 of width 16  on ColoredDigits  360 test images"));
  EXPECT_THAT(outcome.out, HasSubstr("f.csv  index,digit,colour\n"));
  const auto set = data::open_data_sets({.dataset = data::DataSetKind::kColoredDigits}).test;
  std::string expected = "index,digit,colour\n";
  for (size_t i = 0; i < 360; ++i)
    expected +=
        core::cat(i, ",", set->factors()[0].values[i], ",", set->factors()[1].values[i], "\n");
  EXPECT_EQ(read("f.csv"), expected);
}

TEST_F(FeaturesApp, OfEachSplit) {
  test_sets::write_stl(folder_.path(), 4, 3, 2);
  const Words stl = {"--dataset", "STL", "--data_root", folder_.path().string(), "--overwrite"};
  ASSERT_EQ(run_on(stl).code, kExitOk);  // train: the unlabelled ones too
  const auto all = rows();
  EXPECT_EQ(all.size(0), 7);
  EXPECT_EQ(read("f.csv"), "index,label\n0,1\n1,4\n2,7\n3,0\n4,-1\n5,-1\n6,-1\n");
  ASSERT_EQ(run_on(stl + Words{"--split", "labelled"}).code, kExitOk);
  EXPECT_LT((rows() - all.slice(0, 0, 4)).abs().max().item<float>(), kRounding);
  ASSERT_EQ(run_on(stl + Words{"--split", "test"}).code, kExitOk);
  EXPECT_EQ(rows().size(0), 2);
}

// What is written can be given back as a table of factors.
TEST_F(FeaturesApp, PathsAndFactorsOfAFolder) {
  for (const char* name : {"train/a,b/0.png", "train/a,b/1.png", "train/c/0.png"})
    test_sets::write_image(path(name), 20, 16, [](int c, int y, int x) { return c * y * x; });
  const std::string table =
      "index,path,label,hue,night\n0,\"train/a,b/0.png\",0,red,1\n"
      "1,\"train/a,b/1.png\",0,\"very \"\"blue\"\"\",0\n2,train/c/0.png,1,red,1\n";
  core::write_atomically(path("table.csv"), table);
  const Words folder = {"--dataset",    "Folder", "--data_root", folder_.path().string(),
                        "--image_size", "0",      "--crop_size", "16"};
  const auto outcome = run_on(folder + Words{"--factors_csv", path("table.csv")});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(read("f.csv"), table);
  EXPECT_EQ(rows().sizes(), (std::vector<int64_t>{3, 128}));
  expect_refused(run_on(folder + Words{"--split", "test", "--overwrite"}),
                 {"--split test: the data have no such images"});
  expect_refused(run_on(folder + Words{"--factors_csv", path("f.csv"), "--overwrite"}),
                 {"--out: " + path("f.csv") + " is read by this program"});
}

TEST_F(FeaturesApp, OfARunsStateAreThoseOfItsModel) {
  const auto trained = train({"--dataset",
                              "ColoredDigits",
                              "--arch",
                              "resnet18",
                              "--width",
                              "16",
                              "--feature_dim",
                              "8",
                              "--batch_size",
                              "40",
                              "--crop_size",
                              "8",
                              "--max_steps",
                              "1",
                              "--epochs",
                              "1",
                              "--workers",
                              "1",
                              "--device",
                              "cpu",
                              "--baseline",
                              "--eval_every",
                              "100",
                              "--name",
                              "x",
                              "--results_root",
                              path("results")});
  ASSERT_EQ(trained.code, kExitOk) << trained.err;
  const auto from = [&](const std::string& file) {
    const auto outcome = run_on({"--model_path", path("results/ColoredDigits/x/" + file), "--split",
                                 "test", "--feature", "z", "--overwrite"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    return std::pair(outcome.out, rows());
  };
  const auto [of_model, z] = from("model_1.pt");
  const auto [of_state, same] = from("state.pt");
  EXPECT_TRUE(torch::equal(z, same));
  EXPECT_THAT(of_state, HasSubstr("state.pt: took the weights of a run's whole state"));
  EXPECT_THAT(of_model, StartsWith("ipirm-features "));  // nothing was assumed
}

TEST_F(FeaturesApp, WithoutAHeadThereIsNoZ) {
  checkpoint::StateDict encoder;
  for (const auto& entry : own_) {
    if (entry.first.starts_with("module.f.")) encoder.push_back(entry);
  }
  checkpoint::write_torch_file(path("encoder.pt"), encoder);
  const Words words = {"--model_path", path("encoder.pt"), "--split", "test"};
  expect_refused(features(words + Words{"--dataset", "ColoredDigits", "--out", path("f.npy"),
                                        "--feature", "z", "--log_level", "warning"}),
                 {"--feature z", "encoder.pt holds no projection head", "h_normalized"});
  EXPECT_FALSE(fs::exists(path("f.npy")));
  ASSERT_EQ(run_on(words + Words{"--feature", "h"}).code, kExitOk);
  const auto h = rows();
  ASSERT_EQ(run_on({"--split", "test", "--feature", "h", "--overwrite"}).code, kExitOk);
  EXPECT_TRUE(torch::equal(rows(), h));
}

TEST_F(FeaturesApp, NothingIsOverwrittenUnasked) {
  for (const std::string name : {"f.npy", "f.csv"}) {
    core::write_atomically(path(name), "mine");
    expect_refused(run_on({}), {path(name), "exists already", "--overwrite"});
    EXPECT_EQ(read(name), "mine");
    fs::remove(path(name));
  }
  expect_refused(run_on({"--out", path("f.pt")}), {"--out", "ends in .npy"});
  expect_refused(run_on({"--out", path("none/f.npy")}), {"none/f.npy"});
  expect_refused(run_on({"--model_path", path("none.pt")}), {"none.pt"});
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);  // model.pt
}

TEST_F(FeaturesApp, ADamagedImageLeavesNoFile) {
  for (const char* name : {"train/a/0.png", "train/a/1.png"})
    test_sets::write_image(path(name), 96, 96, [](int, int y, int x) { return y * x; });
  auto bytes = test_sets::read_bytes(path("train/a/1.png"));
  bytes.resize(bytes.size() / 2);
  test_sets::write_file(path("train/a/1.png"), bytes);
  const auto outcome = run_on({"--dataset", "Folder", "--data_root", folder_.path().string()});
  expect_refused(outcome, {path("train/a/1.png")});
  EXPECT_FALSE(fs::exists(path("f.npy")));
  EXPECT_FALSE(fs::exists(path("f.npy.tmp")));
  EXPECT_FALSE(fs::exists(path("f.csv")));
}

}  // namespace
}  // namespace ipirm::app
