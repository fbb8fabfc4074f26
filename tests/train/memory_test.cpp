// The memory of a run does not grow with the number of its searches.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "train/small_run.h"

namespace ipirm::train {
namespace {

// Resident memory of this process in MB.
double resident_mb() {
  std::ifstream file("/proc/self/statm");
  double whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Memory : public RunTest {};

TEST_F(Memory, StaysAfterTheFirstOfFiftySearches) {
  SmallRun run(root_ / "run");
  auto& train = run.options;
  train.maximize_iter = 1;
  train.eval_every = train.save_every = 1000;
  train.retain_group = false;
  double settled = 0;
  for (const int64_t epochs : {15, 50}) {
    train.epochs = epochs;
    ASSERT_TRUE(run.trainer().run());
    if (settled == 0) settled = resident_mb();
  }
  // 35 searches that kept a copy of anything (logits, features, weights, a loader's buffers) would
  // show; the heap itself moves by a few MB.
  EXPECT_LT(resident_mb() - settled, 7) << "MB, after " << settled;
}

}  // namespace
}  // namespace ipirm::train
