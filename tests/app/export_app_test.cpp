// ipirm-export on damaged files: exit 2 and one line, or the same tensors where a byte carries
// nothing.
#include "ipirm/app/export_app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <random>

#include "app/programs.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;

class ExportApp : public ::testing::Test {
 protected:
  ExportApp() {
    torch::set_num_threads(1);
    root_ = fs::path(::testing::TempDir()) / core::cat("ipirm_export_", ::getpid());
    fs::create_directories(root_);
    torch::manual_seed(1);
    const model::Model model(
        model::ModelOptions{.arch = model::Arch::kResNet18, .width = 16, .feature_dim = 8});
    weights_ = checkpoint::state_dict(*model);
    checkpoint::write_torch_file(root_ / "m.pt", weights_);
    whole_ = core::read_file(root_ / "m.pt", 1 << 24);
    for (const auto& [name, tensor] : weights_) {
      if (tensor.nbytes() < 64) continue;
      const size_t start = whole_.find(
          std::string(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()));
      records_.emplace_back(start, start + tensor.nbytes());
    }
  }
  ~ExportApp() override { fs::remove_all(root_); }

  Outcome run_export_on(const std::string& content) const {
    core::write_atomically(root_ / "damaged.pt", content);
    fs::remove(root_ / "out.pt");
    return export_tool(
        {"--model_path", (root_ / "damaged.pt").string(), "--out", (root_ / "out.pt").string()});
  }
  std::string exported() const { return core::read_file(root_ / "out.pt", 1 << 24); }
  // Whether the byte belongs to the elements of a tensor (of the larger ones).
  bool in_record(size_t place) const {
    return std::ranges::any_of(records_, [&](const auto& record) {
      return record.first <= place && place < record.second;
    });
  }

  fs::path root_;
  checkpoint::StateDict weights_;
  std::string whole_;
  std::vector<std::pair<size_t, size_t>> records_;  // where elements begin and end in whole_
};

TEST_F(ExportApp, RefusesAFileCutAtAnyOf50Places) {
  for (size_t i = 0; i < 50; ++i) {
    const size_t size = i < 25 ? whole_.size() * i / 25 : whole_.size() - 1 - (i - 25) * 7;
    SCOPED_TRACE(size);
    expect_refused(run_export_on(whole_.substr(0, size)), {"damaged.pt"});
    EXPECT_FALSE(fs::exists(root_ / "out.pt"));
  }
}

// 200 bytes anywhere, and 200 of what lies between the tensors' elements, where a flip may reach
// time stamps and padding, which nothing reads.
TEST_F(ExportApp, RefusesAFlippedByteOrReadsTheSameTensors) {
  ASSERT_EQ(run_export_on(whole_).code, kExitOk);
  const std::string expected = exported();
  std::mt19937 random(5);
  int passed = 0;
  for (int i = 0; i < 400; ++i) {
    size_t place = random() % whole_.size();
    while (i >= 200 && in_record(place)) place = random() % whole_.size();
    SCOPED_TRACE(place);
    std::string damaged = whole_;
    damaged[place] ^= static_cast<char>(1 << random() % 8);
    const Outcome outcome = run_export_on(damaged);
    if (outcome.code == kExitOk) {
      ++passed;
      EXPECT_FALSE(in_record(place));
      EXPECT_EQ(outcome.err, "");
      EXPECT_EQ(exported(), expected);
    } else {
      expect_refused(outcome, {"damaged.pt"});
      if (in_record(place)) expect_refused(outcome, {"has CRC"});
      EXPECT_FALSE(fs::exists(root_ / "out.pt"));
    }
  }
  RecordProperty("bytes that carry nothing", passed);
  std::cout << passed << " of 400 flipped bytes carry nothing\n";
}

// A file of a few KB that says it is a network of gigabytes.
TEST_F(ExportApp, RefusesAWidthThatTheWeightsDoNotHave) {
  const auto refused = [&](int64_t width, const std::string& words) {
    checkpoint::write_torch_file(root_ / "lie.pt",
                                 {{"f.0.weight", torch::zeros({width, 1, 3, 3}, torch::kInt8)},
                                  {"f.3.0.conv3.weight", torch::zeros({1})},
                                  {"f.6.0.conv2.weight", torch::zeros({64, 1, 1, 1})},
                                  {"g.3.weight", torch::zeros({128, 1})}});
    expect_refused(run_export_on(core::read_file(root_ / "lie.pt", 1 << 20)), {words});
  };
  refused(1024, "'f.6.0.conv2.weight' is [64, 1, 1, 1], expected [8192, 8192, 3, 3]");
  refused(100000, "'f.0.weight' has 100000 rows, expected at most 65536");
}

}  // namespace
}  // namespace ipirm::app
