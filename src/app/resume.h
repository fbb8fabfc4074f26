// Decides whether a run may be resumed with the settings given now.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace ipirm::app {

// Compares the settings that a run was started with (its config.yaml) with those of now (the same
// form). Throws UserError that names each setting that differs and may not: everything but how
// long, where and how often something is written, and `may_change_too`. A setting that the file
// does not name yet, since an earlier version wrote it, has its value of `defaults` (the same
// form).
void check_settings_unchanged(const std::filesystem::path& config_file, const std::string& now,
                              const std::string& defaults,
                              const std::set<std::string>& may_change_too = {});

}  // namespace ipirm::app
