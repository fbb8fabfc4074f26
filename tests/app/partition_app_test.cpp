// ipirm-partition from end to end: the file it writes, and one line for every mistake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <limits>

#include "app/programs.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kSamples = 20, kWidth = 6;

class PartitionTool : public ProgramTest {
 protected:
  PartitionTool() {
    torch::manual_seed(3);
    z1_ = unit_rows(torch::randn({kSamples, kWidth}));
    z2_ = unit_rows(z1_ + .3 * torch::randn({kSamples, kWidth}));
    save("z1.npy", z1_);
    save("z2.npy", z2_);
  }
  static torch::Tensor unit_rows(const torch::Tensor& z) { return z / z.norm(2, 1, true); }
  void save(const std::string& name, const torch::Tensor& array) const {
    checkpoint::write_npy(path(name), array);
  }
  torch::Tensor load(const std::string& name) const { return checkpoint::read_npy(path(name)); }
  Words flags(const std::string& view1, const std::string& view2, const Words& more = {}) const {
    return split("--maximize_passes 4 --device cpu") +
           Words{"--view1", path(view1), "--view2", path(view2), "--out", path("p.npy")} + more;
  }
  Outcome find(const Words& more = {}) const {
    return partition_tool(flags("z1.npy", "z2.npy", more));
  }
  void expect_nothing_written() const {
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      EXPECT_NE(entry.path().filename().string().substr(0, 2), "p.") << entry.path();
  }

  torch::Tensor z1_, z2_;
};

TEST_F(PartitionTool, WritesLogitsAndEvents) {
  const auto outcome = find({"--env_num", "3", "--maximize_batch", "8"});
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto logits = load("p.npy");
  EXPECT_EQ(logits.sizes(), (torch::IntArrayRef{kSamples, 3}));
  EXPECT_EQ(logits.scalar_type(), torch::kFloat32);
  for (const char* words : {"20 samples of width 6", "pass 3  risk ", "environments ", "p.npy"})
    EXPECT_THAT(outcome.out, HasSubstr(words));
  const auto events = core::read_file(path("p.npy.metrics.jsonl"), 1 << 20);
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 5);
  EXPECT_THAT(events, HasSubstr(R"({"event":"maximize","epoch":0,"source":"search","passes":4,)"));

  expect_refused(find(), {"p.npy", "exists already", "--overwrite"});
  EXPECT_TRUE(torch::equal(load("p.npy"), logits));
  ASSERT_EQ(find({"--env_num", "3", "--maximize_batch", "8", "--overwrite"}).code, kExitOk);
  EXPECT_TRUE(torch::equal(load("p.npy"), logits));
  ASSERT_EQ(find({"--overwrite", "--seed", "5"}).code, kExitOk);
  EXPECT_EQ(load("p.npy").size(1), 2);
}

TEST_F(PartitionTool, DoubleStaysDouble) {
  save("a.npy", z1_.to(torch::kFloat64));
  save("b.npy", z2_.to(torch::kFloat64));
  save("v.npy", torch::randn({kSamples, 2}));
  const auto outcome = partition_tool(flags("a.npy", "b.npy", {"--init", path("v.npy")}));
  ASSERT_EQ(outcome.code, kExitOk) << outcome.err;
  const auto precise = load("p.npy");
  EXPECT_EQ(precise.scalar_type(), torch::kFloat64);
  ASSERT_EQ(find({"--init", path("v.npy"), "--overwrite"}).code, kExitOk);
  EXPECT_TRUE(torch::allclose(precise, load("p.npy").to(torch::kFloat64), 1e-3, 1e-3));
}

TEST_F(PartitionTool, WarnsOfRowsThatAreNotNormalised) {
  save("z2.npy", z2_ * 2);
  const auto outcome = find();
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_THAT(outcome.err, HasSubstr("z2.npy: row 0 (from 0) has length 2"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

TEST_F(PartitionTool, RefusesFeatures) {
  const auto refused = [&](const torch::Tensor& view2, const Words& words) {
    save("bad.npy", view2);
    expect_refused(partition_tool(flags("z1.npy", "bad.npy")), words);
  };
  refused(z2_.slice(0, 1), {"bad.npy", "(19, 6)", "(20, 6)", "z1.npy"});
  refused(z2_.flatten(), {"bad.npy", "(120,)", "(N, d)"});
  refused(z2_.slice(0, 0, 1), {"bad.npy", "1 sample(s)", "at least 2"});
  refused(z2_.to(torch::kInt64), {"bad.npy", "int64", "astype(np.float32)"});
  refused(z2_.to(torch::kFloat64), {"bad.npy", "float64", "float32", "z1.npy"});
  auto bad = z2_.clone();
  bad[7][2] = std::numeric_limits<float>::quiet_NaN();
  refused(bad, {"bad.npy", "row 7, column 2", "NaN"});
  bad[7][2] = -std::numeric_limits<float>::infinity();
  refused(bad, {"bad.npy", "row 7, column 2", "infinite"});
  bad[7] = 0;
  refused(bad, {"bad.npy", "row 7", "zeros"});
  expect_refused(partition_tool(flags("none.npy", "z2.npy")), {"none.npy"});
  expect_refused(find({"--env_num", "21"}), {"--env_num 21", "20 samples"});
  expect_nothing_written();
}

TEST_F(PartitionTool, RefusesFirstLogits) {
  const auto refused = [&](const torch::Tensor& init, const Words& words) {
    save("v.npy", init);
    expect_refused(find({"--init", path("v.npy")}), words);
  };
  refused(torch::zeros({kSamples, 3}), {"v.npy", "(20, 3)", "(20, 2)", "--env_num"});
  refused(torch::zeros({kSamples, 2}, torch::kInt64), {"v.npy", "int64", "float32"});
  auto init = torch::zeros({kSamples, 2}, torch::kFloat64);
  init[4][1] = 1e300;  // finite, but not in the features' type
  refused(init, {"v.npy", "row 4, column 1", "infinite"});
  expect_nothing_written();
}

TEST_F(PartitionTool, RefusesPlacesThatCannotBeWritten) {
  core::write_atomically(path("file"), "");
  for (const std::string out : {"file/p.npy", "none/p.npy", "", "z1.npy"}) {
    const Words words = {"--view1", path("z1.npy"), "--view2",    path("z2.npy"),
                         "--out",   path(out),      "--overwrite"};
    expect_refused(partition_tool(words), {path(out)});
  }
  EXPECT_TRUE(torch::equal(load("z1.npy"), z1_));
}

// Features whose products overflow: a fault that names the pass, and no files.
TEST_F(PartitionTool, ARiskThatIsNotFinite) {
  save("z1.npy", z1_ * 1e30);
  save("z2.npy", z2_ * 1e30);
  const auto outcome = find();
  EXPECT_EQ(outcome.code, kExitFault);
  EXPECT_THAT(outcome.err, HasSubstr("pass 0: the risk is"));
  EXPECT_THAT(outcome.err, HasSubstr("nothing was written"));
  expect_nothing_written();
}

}  // namespace
}  // namespace ipirm::app
