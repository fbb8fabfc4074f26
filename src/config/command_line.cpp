// Fills CLI11 from the table of fields and reads its results back through the table's own checks.
#include "config/command_line.h"

#include <torch/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <optional>

#include "config/yaml_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::config {
namespace {

using core::cat;
using core::UserError;

// What a word behind a bool's flag means; nothing where it is some other word.
std::optional<bool> flag_value(const std::string& word) {
  return word == "1" ? true : word == "0" ? false : truth(word);
}

// The arguments as CLI11 wants them (last first), with - for _ in flags. --flag= becomes a flag and
// an empty value, since CLI11 would take the next argument for it. A bool's value may stand behind
// it, as that of the reference's --debiased does, and may be 1 or 0: "--flag 1" becomes
// --flag=true.
std::vector<std::string> reversed_arguments(int argc, const char* const* argv,
                                            const std::vector<Field>& fields) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      arguments.push_back(std::move(argument));
      continue;
    }
    const size_t equals = std::min(argument.find('='), argument.size());
    if (equals > 2)
      std::replace(argument.begin() + 2, argument.begin() + static_cast<ptrdiff_t>(equals), '-',
                   '_');
    const Field* field = find_field(fields, argument.substr(2, equals - 2));
    if (field && is_flag(*field)) {
      const bool is_behind = equals == argument.size();
      const auto value = is_behind ? flag_value(i + 1 < argc ? argv[i + 1] : "")
                                   : flag_value(argument.substr(equals + 1));
      if (value) argument = cat("--", field->name, "=", *value ? "true" : "false");
      if (value && is_behind) ++i;
    }
    const bool empty_value = equals + 1 == argument.size();
    arguments.push_back(empty_value ? argument.substr(0, equals) : argument);
    if (empty_value) arguments.emplace_back();
  }
  std::ranges::reverse(arguments);
  return arguments;
}

[[noreturn]] void refuse_argument(const std::string& argument, const std::vector<Field>& fields) {
  if (!argument.starts_with("-")) {
    throw UserError(cat("unexpected argument ", in_quotes(argument),
                        "; every setting is a flag: --name value"));
  }
  const std::string flag = argument.substr(0, argument.find('='));
  std::vector<std::string> names = {"--config", "--help", "--version"};
  for (const Field& field : fields) names.push_back("--" + field.name);
  const std::string nearest = core::nearest_name(flag, names);
  throw UserError(
      cat("unknown flag ", in_quotes(flag),
          nearest.empty() ? "; --help lists the flags" : cat("; did you mean ", nearest, "?")));
}

// What the command line gives for one flag: its last value.
std::string value_of(const CLI::Option& option) {
  const std::string value = option.results().back();
  if (value.starts_with("--")) {
    throw UserError(cat(option.get_name(), ": needs a value, found the flag ", in_quotes(value)));
  }
  return value;
}

class CommandLine {
 public:
  CommandLine(const Program& program, const std::vector<Field>& fields)
      : program_(program), fields_(fields), app_("", program.name) {
    app_.set_help_flag();
    app_.allow_extras();
    app_.footer(program.examples);
    app_.get_formatter()->column_width(34);
    for (const Field& field : fields) {
      const std::string help = help_text(field);
      options_.push_back(is_flag(field)
                             ? app_.add_flag("--" + field.name, help)
                             : app_.add_option("--" + field.name, help)->type_name(field.label));
      options_.back()->group(field.group)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    config_ = app_.add_option("--config", file_help_)->type_name("FILE")->group("Help and files");
    config_->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    version_ = app_.add_flag("--version", version_help_)->group("Help and files");
    app_.set_help_flag("-h,--help", "print this text")->group("Help and files");
  }

  bool read(int argc, const char* const* argv) {
    try {
      app_.parse(reversed_arguments(argc, argv, fields_));
    } catch (const CLI::CallForHelp&) {
      std::cout << help() << std::flush;
      return false;
    } catch (const CLI::ArgumentMismatch& error) {
      refuse_missing_value(error.what());
    } catch (const CLI::ParseError& error) {
      throw UserError(cat(error.what(), "; --help lists the flags"));
    }
    if (version_->count() > 0) {
      std::cout << program_.name << " " << core::version() << " (torch " << TORCH_VERSION << ")"
                << std::endl;
      return false;
    }
    std::vector<std::string> values(options_.size());
    for (size_t i = 0; i < options_.size(); ++i) {
      if (options_[i]->count() > 0) values[i] = value_of(*options_[i]);
    }
    if (const auto extras = app_.remaining(); !extras.empty())
      refuse_argument(extras.front(), fields_);
    if (config_->count() > 0) apply_yaml_file(value_of(*config_), fields_);
    for (size_t i = 0; i < options_.size(); ++i) {
      if (options_[i]->count() > 0 && !assign(fields_[i], values[i])) {
        throw UserError(cat("--", fields_[i].name, ": found ", in_quotes(values[i]), ", expected ",
                            expectation(fields_[i])));
      }
    }
    return true;
  }

 private:
  // CLI11 sets two empty lines between topics and none below the purpose.
  std::string help() const {
    return CLI::detail::find_and_replace(cat(program_.purpose, "\n\n", app_.help()), "\n\n\n",
                                         "\n\n");
  }

  // CLI11's message begins with the flag: "--lr: 1 required X missing".
  [[noreturn]] void refuse_missing_value(const std::string& message) const {
    const std::string flag = message.substr(0, message.find(':'));
    const Field* field = flag.starts_with("--") ? find_field(fields_, flag.substr(2)) : nullptr;
    throw UserError(
        cat(flag, ": needs a value", field ? ": expected " + expectation(*field) : std::string()));
  }

  const std::string file_help_ = "YAML file with the same names; flags win over it";
  const std::string version_help_ = "print the versions of the program and of torch";
  const Program& program_;
  const std::vector<Field>& fields_;
  CLI::App app_;
  std::vector<CLI::Option*> options_;  // one a field, in the same order
  CLI::Option* config_ = nullptr;
  CLI::Option* version_ = nullptr;
};

}  // namespace

bool read_command_line(const Program& program, const std::vector<Field>& fields, int argc,
                       const char* const* argv) {
  return CommandLine(program, fields).read(argc, argv);
}

}  // namespace ipirm::config
