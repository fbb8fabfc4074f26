// The command line of a program, made from its table of fields.
#pragma once

#include <vector>

#include "config/field.h"

namespace ipirm::config {

struct Program {
  const char* name;      // "ipirm-train"
  const char* purpose;   // one sentence, first in --help
  const char* examples;  // last in --help
};

// Assigns to the fields what the file named by --config says, then what the flags say. False after
// --help or
// --version, whose text then stands on stdout. Throws UserError for an unknown flag (with the
// nearest name), a missing value, and a value of the wrong type or out of range. Flags may be
// spelled with - for _, a bool as --name, --name=true or --name 1; the last of several wins.
bool read_command_line(const Program& program, const std::vector<Field>& fields, int argc,
                       const char* const* argv);

}  // namespace ipirm::config
