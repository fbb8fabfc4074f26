// The fields that several programs have, and the checks they share.
#pragma once

#include <string>
#include <vector>

#include "config/field.h"
#include "ipirm/augment/options.h"
#include "ipirm/data/options.h"
#include "ipirm/partition/options.h"

namespace ipirm::config {

void add_data_fields(std::vector<Field>& fields, data::DataOptions& data,
                     data::LoaderOptions& loader);
Field check_data_field(bool& check_data);
void add_augment_fields(std::vector<Field>& fields, augment::AugmentOptions& augment);
void add_run_fields(std::vector<Field>& fields, std::string& device, std::string& log_level);

// The maximization: the risk, from --irm_mode to --nonorm, and the search, --maximize_*. The two
// fields before it are apart, since training names their values once for its loss as well.
Field env_num_field(const std::string& group, int64_t& num_env);
Field irm_temp_field(const std::string& group, double& temperature);
void add_maximize_fields(std::vector<Field>& fields, const std::string& group,
                         partition::MaximizeOptions& maximize);
// Throws UserError for settings of the maximization that are right alone and wrong together.
void check_maximize(const partition::MaximizeOptions& maximize);
// A line for each setting of the maximization that the others leave without effect.
std::vector<std::string> maximize_without_effect(const partition::MaximizeOptions& maximize);

// The choices of --precision.
std::vector<std::string> precision_choices();

// Throws UserError unless `name`, given by --name, can name one folder.
void check_name(const std::string& name);

}  // namespace ipirm::config
