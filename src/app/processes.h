// Several processes as one run: which device is whose, who speaks, and whether all do the same.
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>

#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/dist/connect.h"

namespace ipirm::app {

// The processes that started this one, told to the log: rank 0 speaks at `level`, where `quiet` of
// nothing below warnings; the others of errors alone, with their rank in front. Throws UserError
// for variables that make no sense.
dist::Launch introduce(core::LogLevel level, bool quiet = false);

// Each process takes the GPU of its number on its host. Throws UserError where the choice names one
// GPU for several processes.
core::DeviceChoice own_device(const core::DeviceChoice& choice, const dist::Launch& launch);

// The group of the launch's processes, in which nobody waits longer than so many minutes. Throws
// UserError where they do not meet.
std::shared_ptr<dist::Group> join(const dist::Launch& launch, torch::Device device,
                                  double timeout_minutes);
// The end of the work, to which all ranks come: nobody leaves while another one still waits for an
// answer. Throws LostError.
void leave(dist::Group& group);

// Throws UserError where ranks run other programs, settings (as YAML) or data than rank 0. Settings
// that each host has of its own (folders and files, threads) may differ. data: their content.
void check_processes_alike(dist::Group& group, const std::string& yaml, const dist::Facts& data);

}  // namespace ipirm::app
