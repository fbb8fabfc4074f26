// What makes the host wait in a run on a device, and how often: the table of src/train/README.md.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "device/counting_observer.h"
#include "ipirm/eval/linear_probe.h"

namespace ipirm::test {
namespace {

TEST_F(Waits, AStepHasNone) {
  expect_one_wait_a_read(*run(make_steps_small));
  expect_one_wait_a_read(*run([](SmallRun& run) {
    make_steps_small(run);
    run.options.bf16 = true;
    run.loss.penalty = loss::Penalty::kVrex;
  }));
  expect_one_wait_a_read(*run([](SmallRun& run) {
    make_steps_small(run);
    run.loss.baseline = true;
  }));
}

TEST_F(Waits, AMixupStepHasNone) {
  for (const bool retain : {false, true}) {
    expect_one_wait_a_read(*run([&](SmallRun& run) {
      make_steps_small(run);
      run.loss.mixup.on = true;
      run.options.retain_group = retain;
      run.state->partitions = partition::PartitionSet(retain, run.device);
    }));
  }
}

TEST_F(Waits, APassOfASearchHasOne) {
  for (const bool offline : {true, false}) {
    for (const bool mixup : {true, false}) {
      const auto observer = run([&](SmallRun& run) {
        run.maximize.offline = offline;
        run.maximize.mixup = mixup;
        run.maximize.batch_size = 20;
      });
      const auto passes = observer->before("pass");
      ASSERT_EQ(passes.size(), 6u);
      for (const auto& pass : passes) EXPECT_EQ(pass.num_waits(), 1) << Counts::text(pass.waits);
      // Of these one is the file's and, at the second search, one the partition's before.
      const auto ends = observer->before("maximize");
      ASSERT_EQ(ends.size(), 2u);
      for (size_t i = 0; i < 2; ++i)
        EXPECT_EQ(ends[i].num_waits(), i == 0 ? 5 : 6) << Counts::text(ends[i].waits);
    }
  }
}

TEST_F(Waits, AnEvaluationHasOneAFactor) {
  const auto observer = run([](SmallRun& run) {
    run.loss.baseline = true;  // nothing else stands between the epoch's end and it
    run.options.eval_every = 1;
  });
  const auto evaluations = observer->before("evaluation");
  ASSERT_EQ(evaluations.size(), 1u);
  EXPECT_EQ(evaluations[0].num_waits(), 1) << Counts::text(evaluations[0].waits);
}

TEST_F(Waits, ASaveHasTwo) {
  SmallRun run(root_ / "save", train::ExistingRun::kRefuse, fake_device::kDevice);
  run.options.epochs = 1;
  ASSERT_TRUE(run.trainer().run());
  take_counts();
  run.store().save(1);
  run.store().finish();
  const auto counts = take_counts();
  EXPECT_EQ(counts.num_waits(), 2) << Counts::text(counts.waits);  // float32 and int64
}

TEST_F(Waits, AnEpochOfTheLinearEvaluationHasTwoAFactor) {
  SmallRun run(root_ / "linear", train::ExistingRun::kRefuse, fake_device::kDevice);
  const eval::RunOptions where{fake_device::kDevice, false, run.views.loader, 16};
  eval::LinearProbe probe(run.state->model, *run.sets.labelled, *run.sets.test,
                          {.epochs = 2, .batch_size = 4}, run.views.augment, where);
  take_counts();
  probe.epoch(1);
  const auto counts = take_counts();
  EXPECT_EQ(counts.num_waits(), 2) << Counts::text(counts.waits);
}

}  // namespace
}  // namespace ipirm::test
