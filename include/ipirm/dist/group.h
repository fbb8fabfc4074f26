// The processes of one run, and the few collectives by which they work together (METHOD 12).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "ipirm/dist/agreement.h"

namespace ipirm::dist {

// Another process is gone or silent. The message is one line that names it where that is known.
class LostError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A collective under way.
class Pending {
 public:
  virtual ~Pending() = default;
  // Returns when its result is there (on a GPU: when what is computed next will find it). Throws
  // LostError.
  virtual void wait() = 0;
};

// Payload of the collectives of this process so far, bytes: what one rank contributes.
struct Traffic {
  int64_t summed = 0, gathered = 0, broadcast = 0;
};

// Every rank calls the same collectives in the same order, on tensors of the same shapes and types,
// on the CPU or on the group's device. A group of one process calls nothing and copies nothing.
class Group {
 public:
  Group() : agreement_(*this) {}
  virtual ~Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // 0..size()-1.
  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool is_alone() const { return size() == 1; }
  // Rank 0 writes the files and speaks.
  bool is_first() const { return rank() == 0; }

  // Starts to replace a contiguous tensor by its sum over the ranks. It must not be touched until
  // wait(). Throws LostError.
  virtual std::unique_ptr<Pending> start_sum(const torch::Tensor& tensor) = 0;
  void sum(const torch::Tensor& tensor) { start_sum(tensor)->wait(); }
  // The ranks' rows (n, ...), the same n for each, one below the other in the order of the ranks:
  // (size() * n, ...). Without a graph. Throws LostError.
  virtual torch::Tensor gather(const torch::Tensor& rows) = 0;
  // Replaces a contiguous tensor by rank 0's. Throws LostError.
  virtual void broadcast(const torch::Tensor& tensor) = 0;
  // Returns when every rank has called it. Throws LostError.
  virtual void barrier() = 0;

  // What the ranks decide alike.
  Agreement& agreement() { return agreement_; }
  const Traffic& traffic() const { return traffic_; }

 protected:
  Traffic traffic_;

 private:
  Agreement agreement_;
};

// The group of this process alone.
std::shared_ptr<Group> alone();

}  // namespace ipirm::dist
