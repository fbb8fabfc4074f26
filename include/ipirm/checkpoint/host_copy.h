// Takes a state off its device in few copies.
#pragma once

#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {

// The tensors as they are now: on the CPU, with their types, shapes and strides, sharing no memory
// with `tensors`. Those of a device are gathered there first, which takes as much of its memory
// once more, and come over in one copy for each type: the host waits that often, not once a tensor.
StateDict host_copy(const StateDict& tensors);

}  // namespace ipirm::checkpoint
