// Kinds (of network, of penalty, of protocol) as enums, each with one table of the names that
// settings and files know them by.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ipirm::core {

template <class Kind>
struct Named {
  Kind kind;
  const char* name;
};

// Specialised beside each enum, with a constexpr array kNames of Named<Kind>: every value once, in
// the order in which --help lists them.
template <class Kind>
struct NamesOf;

template <class Kind>
std::string name_of(Kind kind) {
  for (const auto& named : NamesOf<Kind>::kNames) {
    if (named.kind == kind) return named.name;
  }
  return "?";
}

// The kind of this name; nothing for an unknown one.
template <class Kind>
std::optional<Kind> find_kind(const std::string& name) {
  for (const auto& named : NamesOf<Kind>::kNames) {
    if (name == named.name) return named.kind;
  }
  return std::nullopt;
}

// All names, in the table's order.
template <class Kind>
std::vector<std::string> names_of() {
  std::vector<std::string> names;
  for (const auto& named : NamesOf<Kind>::kNames) names.push_back(named.name);
  return names;
}

}  // namespace ipirm::core
