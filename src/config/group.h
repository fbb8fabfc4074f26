// Builds the table of settings: a heading of --help, and a call for each setting below it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/field.h"
#include "ipirm/core/names.h"

namespace ipirm::config {

// Appends to a program's table the settings of one heading, in the order in which --help shows
// them. What each call returns is the setting that it has added, good until the next call.
class Group {
 public:
  Group(std::vector<Field>& fields, std::string heading)
      : fields_(fields), heading_(std::move(heading)) {}

  // Whole numbers are called N in --help, other numbers X, a list of them N,N or X,X.
  Field& number(const char* name, const Target& target, const Range& range, const char* help);
  // A number from 0 to 1, called P.
  Field& probability(const char* name, double* target, const char* help);
  // --name alone means true.
  Field& flag(const char* name, bool* target, const char* help);
  // A flag that is about one call and not about the run: it stays out of YAML files.
  Field& flag_of_call(const char* name, bool* target, const char* help);
  // A line of text, called `label`.
  Field& text(const char* name, const char* label, std::string* target, const char* help);
  // One of an enum's names. It is called by all of them, "a|b", unless it has a label.
  template <class Kind>
  Field& kind(const char* name, Kind* target, const char* help, const char* label = nullptr) {
    return kind_of<Kind>(name, target, help, label);
  }
  // The same where the setting may be left open.
  template <class Kind>
  Field& kind(const char* name, std::optional<Kind>* target, const char* help,
              const char* label = nullptr) {
    return kind_of<Kind>(name, target, help, label);
  }

  // One of several forms, which are named in --help and where a word is none of them. parse(word)
  // is the value that a form means, or nothing for other words; form_of(value) is a form of it.
  template <class Value, class Parse, class FormOf>
  Field& words(const char* name, Value* target, Parse parse, FormOf form_of,
               const std::vector<std::string>& forms, const char* help) {
    const auto get = [target, form_of] { return std::optional<std::string>(form_of(*target)); };
    return add_words(name, {setter(target, parse), get}, forms, help);
  }

 private:
  Field& add_words(const char* name, const KindTarget& target,
                   const std::vector<std::string>& forms, const char* help);
  // Puts what parse(word) means into *target; false where it means nothing.
  template <class Holder, class Parse>
  static auto setter(Holder* target, Parse parse) {
    return [target, parse](const std::string& word) {
      const auto found = parse(word);
      if (found) *target = *found;
      return found.has_value();
    };
  }
  Field& add(const char* name, const std::string& label, const Target& target, const char* help);

  template <class Kind, class Holder>
  Field& kind_of(const char* name, Holder* target, const char* help, const char* label) {
    const auto names = core::names_of<Kind>();
    const auto get = [target]() -> std::optional<std::string> {
      const std::optional<Kind> value = *target;
      return value ? std::optional(core::name_of(*value)) : std::nullopt;
    };
    Field& field = add(name, label ? label : joined(names, "|"),
                       KindTarget{setter(target, core::find_kind<Kind>), get}, help);
    field.choices = names;
    return field;
  }

  std::vector<Field>& fields_;
  std::string heading_;
};

}  // namespace ipirm::config
