// The settings that several programs have, and the checks they share.
#pragma once

#include <string>
#include <vector>

#include "config/field.h"
#include "config/group.h"
#include "ipirm/augment/options.h"
#include "ipirm/core/device_kind.h"
#include "ipirm/core/log.h"
#include "ipirm/data/options.h"
#include "ipirm/partition/options.h"

namespace ipirm::config {

// The data and the loader.
void add_data_fields(std::vector<Field>& fields, data::DataOptions& data,
                     data::LoaderOptions& loader);
// --check_data, below them.
void add_check_data(std::vector<Field>& fields, bool& check_data);
void add_augment_fields(std::vector<Field>& fields, augment::AugmentOptions& augment);
void add_run_fields(std::vector<Field>& fields, core::DeviceChoice& device, bool& deterministic,
                    core::LogLevel& log_level);

void add_quiet(std::vector<Field>& fields, bool& quiet);

// --dist_timeout, in the group "Several processes".
void add_dist_timeout(std::vector<Field>& fields, double& minutes);

// The maximization: the risk, from --irm_mode to --nonorm, and the search, --maximize_*. The two
// settings before it are apart, since training names their values once for its loss as well.
// least: the smallest number that makes sense.
void add_env_num(Group& group, int64_t& num_env, int64_t least);
void add_irm_temp(Group& group, double& temperature);
void add_maximize_fields(Group& group, partition::MaximizeOptions& maximize);
// Throws UserError for settings of the maximization that are right alone and wrong together.
void check_maximize(const partition::MaximizeOptions& maximize);
// A line for each setting of the maximization that the others leave without effect.
std::vector<std::string> maximize_without_effect(const partition::MaximizeOptions& maximize);

// Throws UserError unless `name`, given by --name, can name one folder.
void check_name(const std::string& name);

}  // namespace ipirm::config
