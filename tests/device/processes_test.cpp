// Two processes, each with a fake device of its own: a step adds no wait to those of one process
// but its collectives'.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "device/counting_observer.h"
#include "fake_device/counts.h"
#include "ipirm/dist/connect.h"
#include "support/ranks.h"

namespace ipirm::test {
namespace {

using torch::Tensor;

// Collectives of tensors on the fake device, through the host, where they count neither as waits
// nor as launches: in the place of NCCL's.
class DeviceGroup : public dist::Group {
 public:
  explicit DeviceGroup(std::shared_ptr<dist::Group> host) : host_(std::move(host)) {}
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  std::unique_ptr<dist::Pending> start_sum(const Tensor& tensor) override {
    if (tensor.is_cpu()) return host_->start_sum(tensor);
    const fake_device::Working working;
    const auto memory = tensor.cpu();
    host_->sum(memory);
    tensor.copy_(memory);
    return std::make_unique<Done>();
  }
  Tensor gather(const Tensor& rows) override {
    const fake_device::Working working;
    return host_->gather(rows.detach().cpu()).to(rows.device());
  }
  void broadcast(const Tensor& tensor) override {
    const fake_device::Working working;
    const auto memory = tensor.cpu();
    host_->broadcast(memory);
    tensor.copy_(memory);
  }
  void barrier() override { host_->barrier(); }

 private:
  struct Done : dist::Pending {
    void wait() override {}
  };
  std::shared_ptr<dist::Group> host_;
};

class Processes : public Waits {
 protected:
  // This test in two new processes: PyTorch's backward pass has threads, which a fork loses.
  static void run_in_two_processes() {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const auto filter = "--gtest_filter=Processes." + test;
    const auto port = std::to_string(ranks::free_port());
    pid_t children[2];
    for (int rank = 0; rank < 2; ++rank) {
      children[rank] = ::fork();
      if (children[rank] != 0) continue;
      ::setenv("RANK", rank == 0 ? "0" : "1", 1);
      ::setenv("WORLD_SIZE", "2", 1);
      ::setenv("MASTER_ADDR", "127.0.0.1", 1);
      ::setenv("MASTER_PORT", port.c_str(), 1);
      ::execl("/proc/self/exe", "device_test", filter.c_str(), nullptr);
      ::_exit(127);
    }
    for (int rank = 0; rank < 2; ++rank) {
      int status = 0;
      ::waitpid(children[rank], &status, 0);
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "rank " << rank;
    }
  }
};

TEST_F(Processes, AStepWaitsForItsCollectivesAlone) {
  const auto launch = dist::read_launch();
  if (launch.is_alone()) return run_in_two_processes();
  const auto group =
      std::make_shared<DeviceGroup>(dist::connect(launch, torch::kCPU, std::chrono::seconds(60)));
  for (const bool is_mixed : {false, true}) {
    expect_one_wait_a_read(*run([&](SmallRun& run) {
      make_steps_small(run);
      run.loss.mixup.on = is_mixed;
      run.state->model->synchronise_batch_norm(group);
      run.views.group = group;
    }));
  }
  group->agreement().finish();
  group->barrier();
}

}  // namespace
}  // namespace ipirm::test
