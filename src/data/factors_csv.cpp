// Finds each image's row in a table and numbers the values of its columns.
#include "data/factors_csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"

namespace ipirm::data {
namespace {

using core::cat;
using core::in_quotes;
using core::UserError;

constexpr uint64_t kMaxBytes = uint64_t{1} << 30;  // some 10 million rows
constexpr std::string_view kPath = "path";
constexpr std::array<std::string_view, 3> kOfTheSet = {"index", "label", "class"};

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class FactorTable {
 public:
  FactorTable(const std::filesystem::path& csv, const std::vector<PartNames>& parts)
      : file_(csv.string()), table_(core::read_csv(csv, kMaxBytes)) {
    find_columns();
    std::unordered_map<std::string_view, size_t> row_of;
    for (size_t r = 0; r < table_.rows.size(); ++r) {
      const auto& row = table_.rows[r];
      const auto [there, fresh] = row_of.emplace(row.fields[path_], r);
      if (!fresh) {
        fail(row.line, cat("found ", in_quotes(row.fields[path_]), " again, which is in line ",
                           table_.rows[there->second].line, ", expected one row an image"));
      }
    }
    std::vector<bool> used(table_.rows.size(), false);
    for (const auto& part : parts) {
      rows_.push_back(rows_of(part, row_of));
      for (const size_t r : rows_.back()) used[r] = true;
    }
    warn_of_others(used);
  }

  // One factor of every part.
  std::vector<Factor> factor(size_t column) const {
    std::map<std::string_view, int64_t> values;
    for (const auto& part : rows_) {
      for (const size_t r : part) add_value(values, table_.rows[r], column);
    }
    const auto names = number(values);
    std::vector<Factor> of_parts;
    for (const auto& part : rows_) {
      Factor factor{table_.columns[column], static_cast<int>(names.size()), {}, names};
      for (const size_t r : part) factor.values.push_back(values.at(table_.rows[r].fields[column]));
      of_parts.push_back(std::move(factor));
    }
    return of_parts;
  }

  const std::vector<size_t>& columns() const { return columns_; }
  const std::string& file() const { return file_; }

 private:
  [[noreturn]] void fail(int64_t line, const std::string& problem) const {
    throw UserError(cat(file_, ":", line, ": ", problem));
  }

  void find_columns() {
    const auto path = std::find(table_.columns.begin(), table_.columns.end(), kPath);
    if (path == table_.columns.end()) {
      fail(1, cat("found no column 'path' (the first is ", in_quotes(table_.columns[0]),
                  "), expected one that names each image by its path below the data root"));
    }
    path_ = static_cast<size_t>(path - table_.columns.begin());
    for (size_t c = 0; c < table_.columns.size(); ++c) {
      const auto& name = table_.columns[c];
      if (std::any_of(name.begin(), name.end(), core::is_control)) {
        fail(1, cat("found a control character in the name of column ", in_quotes(name),
                    ", expected a name that a line can show"));
      }
      if (c != path_ && std::find(kOfTheSet.begin(), kOfTheSet.end(), name) == kOfTheSet.end())
        columns_.push_back(c);
    }
    if (columns_.empty()) {
      fail(1,
           "found no factor, expected a column beside 'path' (index, label and class are the "
           "set's own)");
    }
  }

  std::vector<size_t> rows_of(const PartNames& part,
                              const std::unordered_map<std::string_view, size_t>& row_of) const {
    std::vector<size_t> rows;
    size_t missing = 0;
    std::string first;
    for (const auto& name : part.names) {
      const auto found = row_of.find(name);
      if (found != row_of.end()) {
        rows.push_back(found->second);
      } else if (missing++ == 0) {
        first = name;
      }
    }
    if (missing > 0) {
      const int64_t last = table_.rows.empty() ? 1 : table_.rows.back().line;
      fail(last, cat("found no row for ", missing, " of the ", part.names.size(), " ", part.part,
                     " images up to this last one (first: ", in_quotes(first),
                     "), expected one for every image, by its path below the data root; factors "
                     "are measured on all parts"));
    }
    return rows;
  }

  void warn_of_others(const std::vector<bool>& used) const {
    const auto others = std::count(used.begin(), used.end(), false);
    if (others == 0) return;
    const auto first = std::find(used.begin(), used.end(), false) - used.begin();
    const auto& row = table_.rows[static_cast<size_t>(first)];
    core::log_warning(cat(file_, ":", row.line, ": ", in_quotes(row.fields[path_]),
                          " is no image of the set; ", others,
                          others == 1 ? " row is" : " rows are", " left out for that"));
  }

  void add_value(std::map<std::string_view, int64_t>& values, const core::CsvTable::Row& row,
                 size_t column) const {
    const auto& value = row.fields[column];
    if (value.empty()) {
      fail(row.line, cat("found nothing in column ", in_quotes(table_.columns[column]),
                         ", expected a value for every image"));
    }
    values.emplace(value, 0);
    if (values.size() > kMostFactorValues) {
      fail(row.line,
           cat("found the ", values.size(), "th different value in column ",
               in_quotes(table_.columns[column]), ", expected at most ", kMostFactorValues,
               "; leave the column out, or put its values into groups"));
    }
  }

  // Gives each value its number; returns what each number stands for.
  static std::vector<std::string> number(std::map<std::string_view, int64_t>& values) {
    std::map<int64_t, std::vector<int64_t*>> by_number;  // "1" and "01" are one value
    for (auto& [text, place] : values) {
      const auto value = whole_number(text);
      if (!value) {
        by_number.clear();
        break;
      }
      by_number[*value].push_back(&place);
    }
    std::vector<std::string> names;
    for (const auto& [value, places] : by_number) {
      for (int64_t* place : places) *place = static_cast<int64_t>(names.size());
      names.push_back(std::to_string(value));
    }
    if (!by_number.empty()) return names;
    for (auto& [text, place] : values) {
      place = static_cast<int64_t>(names.size());
      names.emplace_back(text);
    }
    return names;
  }

  std::string file_;
  core::CsvTable table_;
  size_t path_ = 0;                        // the column of paths
  std::vector<size_t> columns_;            // of factors
  std::vector<std::vector<size_t>> rows_;  // of each part's images
};

}  // namespace

std::vector<std::vector<Factor>> read_factors_csv(const std::filesystem::path& csv,
                                                  const std::vector<PartNames>& parts) {
  const FactorTable table(csv, parts);
  std::vector<std::vector<Factor>> factors(parts.size());
  std::string listed;
  for (const size_t column : table.columns()) {
    auto of_parts = table.factor(column);
    listed += cat(listed.empty() ? "" : ", ", of_parts[0].name, " (", of_parts[0].num_values,
                  of_parts[0].num_values == 1 ? " value)" : " values)");
    for (size_t part = 0; part < parts.size(); ++part)
      factors[part].push_back(std::move(of_parts[part]));
  }
  core::log_info(cat(table.file(), ": factors ", listed));
  return factors;
}

}  // namespace ipirm::data
