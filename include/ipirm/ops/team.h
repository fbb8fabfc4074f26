// Those who compute one risk together: each takes some of the pairs, and what they find is added
// up.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>

#include <cstdint>

namespace ipirm::ops {

// Every member makes the same calls in the same order. Members may be processes: nothing here says
// how many there are.
class Team : public torch::CustomClassHolder {
 public:
  struct Range {
    int64_t first, end;
  };
  // Which of `count` pieces of work are done here: first..end-1, perhaps none. The same each time.
  virtual Range own(int64_t count) const = 0;
  // Replaces a contiguous tensor by its sum over the members, who all get the same bits.
  virtual void sum(const at::Tensor& tensor) = 0;
};

// Null: one who computes alone.
using TeamPointer = c10::intrusive_ptr<Team>;

}  // namespace ipirm::ops
