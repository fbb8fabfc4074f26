// Looks at what stands where a program's results will go.
#include "app/outputs.h"

#include <system_error>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::app {
namespace fs = std::filesystem;

using core::cat;
using core::UserError;

void check_outputs(const std::vector<fs::path>& outputs, const std::vector<fs::path>& inputs,
                   const std::string& input_is, bool overwrite) {
  std::error_code none;  // what cannot be looked at counts as missing, and fails when written
  for (const auto& path : outputs) {
    if (!fs::exists(path, none)) continue;
    if (!fs::is_regular_file(path, none))
      throw UserError(cat(path.string(), ": is no regular file; name another by --out"));
    for (const auto& input : inputs) {
      if (!fs::equivalent(path, input, none)) continue;
      throw UserError(
          cat("--out: ", path.string(), " is ", input_is, "; name another file by --out"));
    }
    if (!overwrite) {
      throw UserError(cat(path.string(),
                          ": exists already; replace it by --overwrite, or name another file by "
                          "--out"));
    }
  }
}

void try_output(const fs::path& output) {
  fs::path probe = output;
  probe += ".tmp";
  core::LineFile(probe, /*keep=*/false);
  std::error_code none;
  fs::remove(probe, none);
}

}  // namespace ipirm::app
