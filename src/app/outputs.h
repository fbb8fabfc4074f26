// Whether the files that a program is asked to write may be written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ipirm::app {

// Throws UserError for an output, named by --out, that is no regular file, is one of the `inputs`
// (whose content `input_is` says: "the model itself"), or exists already, unless it is to be
// replaced.
void check_outputs(const std::vector<std::filesystem::path>& outputs,
                   const std::vector<std::filesystem::path>& inputs, const std::string& input_is,
                   bool overwrite);

// Throws WriteError where no file of this name can be written: its folder is missing or closed, or
// the name too long for what is added to it meanwhile. For work whose result comes after hours.
void try_output(const std::filesystem::path& output);

}  // namespace ipirm::app
