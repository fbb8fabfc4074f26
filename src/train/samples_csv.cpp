// Writes samples.csv.
#include "train/samples_csv.h"

#include <string>
#include <string_view>

#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"

namespace ipirm::train {
namespace {

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
    const std::string row = core::cat(i, ",", core::csv_field(name), ",", set.label(i), ",",
                                      core::csv_field(class_of(name)), "\n");
    file.write(row.data(), row.size());
  }
}

}  // namespace ipirm::train
