// The group of one process: every collective is what it is among one.
#include "ipirm/dist/group.h"

namespace ipirm::dist {
namespace {

class Done : public Pending {
 public:
  void wait() override {}
};

class OneProcess : public Group {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<Pending> start_sum(const torch::Tensor&) override {
    return std::make_unique<Done>();
  }
  torch::Tensor gather(const torch::Tensor& rows) override { return rows; }
  void broadcast(const torch::Tensor&) override {}
  void barrier() override {}
};

}  // namespace

std::shared_ptr<Group> alone() { return std::make_shared<OneProcess>(); }

}  // namespace ipirm::dist
