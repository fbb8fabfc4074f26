// A number with its name: a term of a loss, a score of an evaluation.
#pragma once

#include <string>
#include <vector>

namespace ipirm::core {

struct NamedValue {
  std::string name;
  double value = 0;
};
using NamedValues = std::vector<NamedValue>;

// "test_acc@1: 81.2500, test_acc@5: 99.0000": four digits after the point.
std::string to_text(const NamedValues& values);

}  // namespace ipirm::core
