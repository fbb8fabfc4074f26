// Writes samples.csv.
#include "train/samples_csv.h"

#include <string>
#include <string_view>

#include "ipirm/core/error.h"

namespace ipirm::train {
namespace {

std::string quoted(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

// PART/CLASS/... is of that class, PART/FILE of none.
std::string_view class_of(std::string_view name) {
  const auto part = name.find('/');
  if (part == std::string_view::npos) return "";
  const auto end = name.find('/', part + 1);
  return end == std::string_view::npos ? "" : name.substr(part + 1, end - part - 1);
}

}  // namespace

void write_samples_csv(const data::ImageSet& set, core::FileWriter& file) {
  const std::string heading = "index,path,label,class\n";
  file.write(heading.data(), heading.size());
  for (int64_t i = 0; i < set.size(); ++i) {
    const std::string name = set.name(i);
    const std::string row =
        core::cat(i, ",", quoted(name), ",", set.label(i), ",", quoted(class_of(name)), "\n");
    file.write(row.data(), row.size());
  }
}

}  // namespace ipirm::train
