// Brings the processes that were started together into one group.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <memory>

#include "ipirm/dist/group.h"
#include "ipirm/dist/launch.h"

namespace ipirm::dist {

// The group of all processes of the launch, on whose `device` each computes: Gloo's collectives for
// tensors on the CPU, NCCL's for those on a GPU (libipirm_nccl.so, loaded here). A launch of one
// process: alone(). timeout: of the meeting and of every collective. Throws UserError where the
// others are not met in time, or where NCCL is not there.
std::shared_ptr<Group> connect(const Launch& launch, torch::Device device,
                               std::chrono::milliseconds timeout);

}  // namespace ipirm::dist
