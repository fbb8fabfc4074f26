// Reads, checks, describes and writes the value of one setting.
#include "config/field.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"

namespace ipirm::config {
namespace {

using core::cat;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang before 17 does not find it by itself

bool in_range(const Range& range, double value) {
  return (range.low_open ? value > range.low : value >= range.low) &&
         (range.high_open ? value < range.high : value <= range.high);
}

// The whole of text as a number of type T; nothing for trailing characters, overflow, infinities
// and NaN.
template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return value;
}

bool is_one_line(const std::string& text) { return std::ranges::none_of(text, core::is_control); }

// "5,35": comma separated, possibly none.
template <class T>
std::optional<std::vector<T>> number_list(const std::string& text, const Range& range) {
  std::vector<T> values;
  for (size_t start = 0; !text.empty() && start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    const auto value = number<T>(text.substr(start, comma - start));
    if (!value || !in_range(range, static_cast<double>(*value))) return std::nullopt;
    values.push_back(*value);
    start = comma + 1;
  }
  return values;
}

bool is_ascending(const std::vector<int64_t>& values) {
  return std::ranges::adjacent_find(values, std::greater_equal()) == values.end();
}

// Whether no number stands there twice.
bool are_distinct(std::vector<double> values) {
  std::ranges::sort(values);
  return std::ranges::adjacent_find(values) == values.end();
}

// The shortest digits that read back as the same number.
std::string shortest(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

// ">= 1", "2 to 65536", "in (0, 1]"; empty where every number will do.
std::string range_text(const Range& range) {
  const bool low = std::isfinite(range.low),
             high = std::isfinite(range.high) && range.high != kCountMax;
  if (low && high && !range.low_open && !range.high_open)
    return cat(shortest(range.low), " to ", shortest(range.high));
  if (low && high) {
    return cat("in ", range.low_open ? "(" : "[", shortest(range.low), ", ", shortest(range.high),
               range.high_open ? ")" : "]");
  }
  if (low) return cat(range.low_open ? "> " : ">= ", shortest(range.low));
  return "";
}

bool is_whole_number(const Field& field) {
  return std::holds_alternative<int*>(field.target) ||
         std::holds_alternative<int64_t*>(field.target) ||
         std::holds_alternative<uint64_t*>(field.target) ||
         std::holds_alternative<std::optional<int>*>(field.target);
}

// A double-quoted YAML scalar. Control characters never get into a value: is_one_line().
std::string yaml_quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : separator) + word;
  return all;
}

std::optional<bool> truth(const std::string& text) {
  for (const char* word : {"true", "True", "TRUE"}) {
    if (text == word) return true;
  }
  for (const char* word : {"false", "False", "FALSE"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

bool is_flag(const Field& field) { return std::holds_alternative<bool*>(field.target); }

bool is_list(const Field& field) {
  return std::holds_alternative<std::vector<int64_t>*>(field.target) ||
         std::holds_alternative<std::vector<double>*>(field.target);
}

bool is_text(const Field& field) {
  return !is_flag(field) && !is_whole_number(field) &&
         !std::holds_alternative<double*>(field.target) &&
         !std::holds_alternative<std::vector<double>*>(field.target);
}

std::string expectation(const Field& field) {
  if (is_flag(field)) return "true or false";
  if (!field.choices.empty()) return "one of " + joined(field.choices, ", ");
  if (std::holds_alternative<std::vector<double>*>(field.target)) {
    const std::string range = range_text(field.range);
    return cat("a number", range.empty() ? "" : " ", range,
               ", or several that differ with commas between them, such as .1,.03");
  }
  if (is_list(field)) {
    return cat("ascending whole numbers ", range_text(field.range),
               " with commas between them, such as 5,35");
  }
  if (is_text(field)) return "a line of text without control characters";
  const std::string what = is_whole_number(field) ? "a whole number" : "a number";
  const std::string range = range_text(field.range);
  const std::string upper = field.range.high == kCountMax ? " and at most 1000000000" : "";
  const bool from = std::isfinite(field.range.high) && upper.empty() && !range.starts_with("in");
  return cat(what, range.empty() ? "" : from ? " from " : " ", range, upper);
}

bool assign(const Field& field, const std::string& text) {
  const auto keep = [&](auto& target, const auto& value) {
    if (!value || !in_range(field.range, static_cast<double>(*value))) return false;
    target = *value;
    return true;
  };
  return std::visit(
      Overloaded{
          [&](bool* target) {
            const auto value = truth(text);
            if (value) *target = *value;
            return value.has_value();
          },
          [&](int* target) { return keep(*target, number<int>(text)); },
          [&](std::optional<int>* target) { return keep(*target, number<int>(text)); },
          [&](int64_t* target) { return keep(*target, number<int64_t>(text)); },
          [&](uint64_t* target) { return keep(*target, number<uint64_t>(text)); },
          [&](double* target) { return keep(*target, number<double>(text)); },
          [&](std::vector<int64_t>* target) {
            auto values = number_list<int64_t>(text, field.range);
            if (!values || !is_ascending(*values)) return false;
            *target = std::move(*values);
            return true;
          },
          [&](std::vector<double>* target) {
            auto values = number_list<double>(text, field.range);
            if (!values || values->empty() || !are_distinct(*values)) return false;
            *target = std::move(*values);
            return true;
          },
          [&](const KindTarget& target) { return target.set(text); },
          [&](std::string* target) {
            if (!is_one_line(text)) return false;
            *target = text;
            return true;
          },
      },
      field.target);
}

std::optional<std::string> value_text(const Field& field) {
  using Text = std::optional<std::string>;
  return std::visit(Overloaded{
                        [](const bool* target) { return Text(*target ? "true" : "false"); },
                        [](const double* target) { return Text(shortest(*target)); },
                        [](const std::string* target) { return Text(*target); },
                        [](const KindTarget& target) { return target.get(); },
                        [](const std::optional<int>* target) {
                          return *target ? Text(std::to_string(**target)) : std::nullopt;
                        },
                        [](const std::vector<int64_t>* target) {
                          std::vector<std::string> words;
                          for (const int64_t value : *target)
                            words.push_back(std::to_string(value));
                          return Text(joined(words, ","));
                        },
                        [](const std::vector<double>* target) {
                          std::vector<std::string> words;
                          for (const double value : *target) words.push_back(shortest(value));
                          return Text(joined(words, ","));
                        },
                        [](const auto* target) { return Text(std::to_string(*target)); },
                    },
                    field.target);
}

std::string help_text(const Field& field) {
  std::vector<std::string> notes;
  if (!is_text(field) && !range_text(field.range).empty()) notes.push_back(range_text(field.range));
  const std::string value = value_text(field).value_or("");
  if (!value.empty() && value != "false") notes.push_back("default " + value);
  return notes.empty() ? field.help : cat(field.help, " (", joined(notes, ", "), ")");
}

const Field* find_field(const std::vector<Field>& fields, const std::string& name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

std::string in_quotes(const std::string& text) { return core::in_quotes(text); }

std::string dump_yaml(const std::string& program, const std::vector<Field>& fields) {
  std::string text = cat("# The settings of a run of ", program, " ", core::version(),
                         "; start it again with: ", program, " --config THIS_FILE\n");
  std::string group;
  for (const Field& field : fields) {
    const auto value = value_text(field);
    if (field.command_line_only || field.ignored || !value) continue;
    if (field.group != group) text += cat("\n# ", group = field.group, "\n");
    text += cat(field.name, ": ", is_text(field) ? yaml_quoted(*value) : *value, "\n");
  }
  return text;
}

}  // namespace ipirm::config
