// Settings from a YAML file: one flat map of names and values, nothing else.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/field.h"

namespace ipirm::config {

// A settings file is a page of text; more than this is some other file.
inline constexpr uint64_t kYamlMaxBytes = 64 * 1024;

// Assigns every setting of the file to its field. Throws UserError with file:line for anything but
// a flat map of known names, each at most once, to values of the field's type and range; anchors,
// aliases, tags, further documents, and lists for a setting that is none are refused.
void apply_yaml_file(const std::filesystem::path& path, const std::vector<Field>& fields);

// The same from memory; `source` stands in messages for the file's name.
void apply_yaml(const std::string& text, const std::string& source,
                const std::vector<Field>& fields);

}  // namespace ipirm::config
