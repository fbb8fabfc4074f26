// The fields that every program has, and the one check they share.
#pragma once

#include <string>
#include <vector>

#include "config/field.h"
#include "ipirm/augment/options.h"
#include "ipirm/data/options.h"

namespace ipirm::config {

void add_data_fields(std::vector<Field>& fields, data::DataOptions& data,
                     data::LoaderOptions& loader);
void add_augment_fields(std::vector<Field>& fields, augment::AugmentOptions& augment);
void add_run_fields(std::vector<Field>& fields, std::string& device, std::string& log_level);

// The choices of --arch and --precision.
std::vector<std::string> arch_choices();
std::vector<std::string> precision_choices();

// Throws UserError unless `name`, given by --name, can name one folder.
void check_name(const std::string& name);

}  // namespace ipirm::config
