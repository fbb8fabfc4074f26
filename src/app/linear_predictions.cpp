// Compares what a table says of the test images with what is known about them.
#include "app/linear_predictions.h"

#include <algorithm>
#include <map>
#include <string>
#include <system_error>

#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr uint64_t kMostBytes = uint64_t{1} << 30;

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw UserError(cat(file.string(), ": ", what,
                      "; write it anew by ipirm-linear --predict, or "
                      "name another --downstream_root"));
}

// The value of each name.
std::map<std::string, int64_t> numbers_of(const data::Factor& factor) {
  std::map<std::string, int64_t> numbers;
  for (int64_t v = 0; v < factor.num_values; ++v) numbers.emplace(factor.name_of(v), v);
  return numbers;
}

// Whether a column may say that nobody knows the value, by -1.
enum class Unknown { kMayBe, kIsRefused };

// The column's values, a row each.
std::vector<int64_t> column_of(const core::CsvTable& table, size_t column,
                               const data::Factor& factor, Unknown unknown, const fs::path& file) {
  auto numbers = numbers_of(factor);
  if (unknown == Unknown::kMayBe) numbers.emplace("-1", -1);
  std::vector<int64_t> values;
  for (const auto& row : table.rows) {
    const auto found = numbers.find(row.fields[column]);
    if (found == numbers.end())
      refuse(cat(file.string(), ":", row.line),
             cat("found ", row.fields[column], ", which is no value of ", factor.name));
    values.push_back(found->second);
  }
  return values;
}

// Refuses a table whose rows do not stand for the test images in their order, as far as it says.
void require_same_images(const core::CsvTable& table, size_t index, size_t path,
                         const data::ImageSet& test, const fs::path& file) {
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const auto image = static_cast<int64_t>(i);
    if ((index < row.fields.size() && row.fields[index] != std::to_string(image)) ||
        (path < row.fields.size() && row.fields[path] != test.name(image)))
      refuse(cat(file.string(), ":", row.line),
             "is of another test image than number " + std::to_string(image));
  }
}

}  // namespace

std::vector<inspect::ReportConfusion> head_confusions(const fs::path& predictions,
                                                      const data::ImageSet& test,
                                                      const std::string& model) {
  std::vector<inspect::ReportConfusion> result;
  if (std::error_code unreadable; !fs::is_regular_file(predictions, unreadable)) return result;
  const auto table = core::read_csv(predictions, kMostBytes);
  const auto place = [&](const std::string& name) {
    return static_cast<size_t>(std::find(table.columns.begin(), table.columns.end(), name) -
                               table.columns.begin());
  };
  if (static_cast<int64_t>(table.rows.size()) != test.size()) {
    refuse(predictions, cat("found ", table.rows.size(), " rows, expected one for each of the ",
                            test.size(), " test images"));
  }
  require_same_images(table, place("index"), place("path"), test, predictions);
  for (const auto& factor : test.factors()) {
    const size_t known = place(factor.name), predicted = place(factor.name + "_predicted");
    if (std::max(known, predicted) >= table.columns.size()) continue;
    const auto labels = column_of(table, known, factor, Unknown::kMayBe, predictions);
    if (labels != factor.values) refuse(predictions, "is of other test images");
    const auto found = column_of(table, predicted, factor, Unknown::kIsRefused, predictions);
    const auto confusion =
        inspect::confusion_of(torch::tensor(found, torch::kInt64),
                              torch::tensor(labels, torch::kInt64), factor.num_values);
    const auto basis = cat("on ", inspect::grouped(test.size()), " test images, network ",
                           model.empty() ? "unknown" : model);
    result.push_back({"linear head", basis, factor, confusion});
  }
  return result;
}

}  // namespace ipirm::app
