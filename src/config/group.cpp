// Builds the table of settings.
#include "config/group.h"

namespace ipirm::config {
namespace {

const char* label_of(const Target& target) {
  if (std::holds_alternative<double*>(target)) return "X";
  if (std::holds_alternative<std::vector<double>*>(target)) return "X,X";
  return std::holds_alternative<std::vector<int64_t>*>(target) ? "N,N" : "N";
}

}  // namespace

Field& Group::add(const char* name, const std::string& label, const Target& target,
                  const char* help) {
  return fields_.emplace_back(Field{name, heading_, label, help, target});
}

Field& Group::number(const char* name, const Target& target, const Range& range, const char* help) {
  Field& field = add(name, label_of(target), target, help);
  field.range = range;
  return field;
}

Field& Group::probability(const char* name, double* target, const char* help) {
  Field& field = add(name, "P", target, help);
  field.range = between(0, 1);
  return field;
}

Field& Group::flag(const char* name, bool* target, const char* help) {
  return add(name, "", target, help);
}

Field& Group::flag_of_call(const char* name, bool* target, const char* help) {
  Field& field = flag(name, target, help);
  field.command_line_only = true;
  return field;
}

Field& Group::text(const char* name, const char* label, std::string* target, const char* help) {
  return add(name, label, target, help);
}

Field& Group::add_words(const char* name, const KindTarget& target,
                        const std::vector<std::string>& forms, const char* help) {
  Field& field = add(name, joined(forms, "|"), target, help);
  field.choices = forms;
  return field;
}

}  // namespace ipirm::config
