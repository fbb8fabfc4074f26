// A group over PyTorch's c10d backends: Gloo for tensors on the CPU, and another one for a device.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "ipirm/dist/group.h"

namespace ipirm::dist {

using Backend = c10::intrusive_ptr<c10d::Backend>;
using Store = c10::intrusive_ptr<c10d::Store>;

class BackendGroup : public Group {
 public:
  // device: null where all tensors are on the CPU. store: by which ranks tell each other, after a
  // failure, who is left.
  BackendGroup(Backend cpu, Backend device, Store store);
  ~BackendGroup() override;

  int rank() const override { return cpu_->getRank(); }
  int size() const override { return cpu_->getSize(); }
  std::unique_ptr<Pending> start_sum(const torch::Tensor& tensor) override;
  torch::Tensor gather(const torch::Tensor& rows) override;
  void broadcast(const torch::Tensor& tensor) override;
  void barrier() override;

 private:
  class Work;
  c10d::Backend& of(const torch::Tensor& tensor) const;
  // Runs part of a collective; what it throws becomes a LostError that names who is gone.
  template <class Call>
  auto guarded(const Call& call);
  std::string who_is_gone() const;

  Backend cpu_, device_;
  Store store_;
};

}  // namespace ipirm::dist
