// One setting: its name, its help, where its value goes and which values it may take.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ipirm::config {

// More epochs, samples or steps than this are a typing mistake; sums and products of two counts
// stay within int64.
inline constexpr double kCountMax = 1e9;

// The numbers that a field takes.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   // low itself is not allowed
  bool high_open = false;  // high itself is not allowed
};
constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range above(double low) { return {.low = low, .low_open = true}; }
constexpr Range between(double low, double high) { return {.low = low, .high = high}; }
constexpr Range count_from(double low) { return {.low = low, .high = kCountMax}; }

// A value of an enum (core/names.h), behind its names.
struct KindTarget {
  std::function<bool(const std::string& name)> set;  // false for an unknown name
  std::function<std::optional<std::string>()> get;   // nothing for an optional that is not set
};

using Target =
    std::variant<bool*, int*, int64_t*, uint64_t*, double*, std::string*, std::vector<int64_t>*,
                 std::vector<double>*, std::optional<int>*, KindTarget>;

struct Field {
  std::string name;   // as on the command line, without --, and in the YAML file
  std::string group;  // heading in --help and in config.yaml
  std::string label;  // what --help calls the value: "N", "FILE"; unused for bools
  std::string help;   // what it is, with its unit; range and default are added by help_text()
  Target target;      // holds the default until assign() is called
  Range range = {};
  std::vector<std::string> choices = {};  // the names of a kind; of other settings none
  // It is about one call: neither read from nor written to a YAML file.
  bool command_line_only = false;
  // It is the reference's, without effect there as here: read, never written.
  bool ignored = false;
};

// "a|b" of the words a, b and the separator |.
std::string joined(const std::vector<std::string>& words, const char* separator);

bool is_flag(const Field& field);  // a bool: --name alone means true
bool is_list(const Field& field);  // of numbers
bool is_text(const Field& field);  // may be quoted in YAML

// What a word of YAML's core schema means, as Python writes it too: true, True, TRUE and so on.
std::optional<bool> truth(const std::string& text);

// What a value must be, to go after "expected": "a whole number >= 1".
std::string expectation(const Field& field);

// Reads `text` into the target. False, with the target untouched, if it is not what expectation()
// says.
bool assign(const Field& field, const std::string& text);

// The target's value as assign() reads it; nothing for an optional value that is not set.
std::optional<std::string> value_text(const Field& field);

// `help` with the range and the default behind it.
std::string help_text(const Field& field);

// The field of that name, or nullptr.
const Field* find_field(const std::vector<Field>& fields, const std::string& name);

// "'text'" for a message: shortened, control characters replaced.
std::string in_quotes(const std::string& text);

// The fields, grouped, as lines of YAML under a comment that says what they are and how to use
// them.
std::string dump_yaml(const std::string& program, const std::vector<Field>& fields);

}  // namespace ipirm::config
