// Numbers the values of each column, alike in both tables.
#include "ipirm/metrics/factor_tables.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "ipirm/core/csv.h"
#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::metrics {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::in_quotes;
using core::UserError;

constexpr uint64_t kMaxBytes = uint64_t{1} << 30;  // some 10 million rows
constexpr size_t kMostValues = 1000;               // classes of one classifier

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Table {
  Table(const fs::path& path, int64_t num_rows)
      : file(path.string()), content(core::read_csv(path, kMaxBytes)) {
    const auto found = static_cast<int64_t>(content.rows.size());
    if (found == num_rows) return;
    throw UserError(cat(file, ": holds ", found, " rows below the heading, expected ", num_rows,
                        ": one for each row of the features, in their order"));
  }

  size_t column(const std::string& name) const {
    const auto found = std::find(content.columns.begin(), content.columns.end(), name);
    if (found != content.columns.end()) return static_cast<size_t>(found - content.columns.begin());
    const auto nearest = core::nearest_name(name, content.columns);
    throw UserError(cat(file, ":1: found no column ", in_quotes(name), ", expected the factor",
                        nearest.empty() ? "" : "; did you mean ",
                        nearest.empty() ? "" : in_quotes(nearest), nearest.empty() ? "" : "?"));
  }

  // The texts of a column. `different` gets each of them once.
  std::vector<std::string> texts(const std::string& name,
                                 std::map<std::string, int64_t>& different) const {
    const size_t place = column(name);
    std::vector<std::string> result;
    for (const auto& row : content.rows) {
      const auto& text = row.fields[place];
      if (text.empty()) {
        throw UserError(cat(file, ":", row.line, ": found nothing in column ", in_quotes(name),
                            ", expected a value for every sample"));
      }
      different.emplace(text, 0);
      if (different.size() > kMostValues) {
        throw UserError(cat(file, ":", row.line, ": found the ", different.size(),
                            "th different value in column ", in_quotes(name), ", expected at most ",
                            kMostValues,
                            "; leave the column out by --factors, or put its values into groups"));
      }
      result.push_back(text);
    }
    return result;
  }

  std::string file;
  core::CsvTable content;
};

// Gives each text its number.
void number(std::map<std::string, int64_t>& texts) {
  bool all_numbers = true;
  for (auto& [text, value] : texts) {
    const auto found = whole_number(text);
    all_numbers = all_numbers && found;
    value = found.value_or(0);
  }
  int64_t next = 0;
  for (auto& [text, value] : texts) {
    if (!all_numbers) value = next++;
  }
}

Values numbers_of(const std::vector<std::string>& texts,
                  const std::map<std::string, int64_t>& numbers) {
  Values values;
  for (const auto& text : texts) values.push_back(numbers.at(text));
  return values;
}

std::vector<std::string> factors_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& name : table.content.columns) {
    if (name != "index" && name != "path") names.push_back(name);
  }
  if (names.empty()) {
    throw UserError(cat(table.file,
                        ":1: found no factor, expected a column beside 'index' and "
                        "'path'"));
  }
  return names;
}

}  // namespace

FactorTables read_factor_tables(const fs::path& train, int64_t num_train, const fs::path& test,
                                int64_t num_test, const std::vector<std::string>& wanted) {
  for (auto name = wanted.begin(); name != wanted.end(); ++name) {
    if (std::find(wanted.begin(), name, *name) != name)
      throw UserError(cat("factors: found ", in_quotes(*name), " twice, expected each name once"));
  }
  const Table of_train(train, num_train), of_test(test, num_test);
  FactorTables result{wanted.empty() ? factors_of(of_train) : wanted, {}, {}};
  for (const auto& name : result.names) {
    std::map<std::string, int64_t> different;
    const auto train_texts = of_train.texts(name, different);
    const auto test_texts = of_test.texts(name, different);
    number(different);
    result.train.push_back(numbers_of(train_texts, different));
    result.test.push_back(numbers_of(test_texts, different));
  }
  return result;
}

}  // namespace ipirm::metrics
