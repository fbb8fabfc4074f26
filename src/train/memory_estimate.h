// How large a batch a device's memory holds, from the peaks of small steps.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace ipirm::train {

// About the largest batch whose step fits into the device, a multiple of 8; nothing where small
// batches do not fit either, or where the device does not say what it uses. step(n) makes a step of
// n images; it is called twice with 16 and with 32 after memory ran out, when what the failed step
// had taken is free again. Parts that grow faster than the batch are not seen.
std::optional<int64_t> batch_that_fits(torch::Device device,
                                       const std::function<void(int64_t)>& step);

}  // namespace ipirm::train
