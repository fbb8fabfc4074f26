// Copies to a device beside what it computes.
#pragma once

#include <c10/core/Stream.h>
#include <torch/types.h>

#include <optional>

namespace ipirm::train {

// A stream of the device's own for copies: that of a step's views runs while the step before is
// computed. On the CPU there is nothing to copy.
class CopyStream {
 public:
  explicit CopyStream(torch::Device device);

  // As core::to_device(). What the current stream is given afterwards comes after the copy; the
  // host waits for neither.
  torch::Tensor to_device(const torch::Tensor& tensor) const;

 private:
  torch::Device device_;
  std::optional<c10::Stream> stream_;
};

}  // namespace ipirm::train
