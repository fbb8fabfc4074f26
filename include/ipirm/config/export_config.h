// The settings of ipirm-export: command line and YAML file in, one aggregate out.
#pragma once

#include <optional>
#include <string>

namespace ipirm::config {

struct ExportConfig {
  std::string model_path;  // the .pt file whose encoder is taken; never empty after parsing
  std::string out;         // the .pt file to write; never empty after parsing
  bool overwrite = false;  // replace what stands at `out`
};

// Does for ipirm-export what parse_train() of train_config.h does for ipirm-train.
std::optional<ExportConfig> parse_export(int argc, const char* const* argv);

}  // namespace ipirm::config
