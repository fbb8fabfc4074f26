// Fuzz target: the bytes of two tables of factors, and the names of those that are wanted.
#include "ipirm/metrics/factor_tables.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "fuzz/target.h"
#include "ipirm/core/csv.h"

namespace ipirm::fuzz {
namespace {

// Takes what stands before the next zero, and the zero.
std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find('\0'), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    names.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

// The file's table, none where it is none.
core::CsvTable table_in(const MemoryFile& file) {
  core::CsvTable table;
  reads_or_refuses([&] { table = core::read_csv(file.path(), uint64_t{1} << 20); });
  return table;
}

// The texts of one factor in both tables, one after the other.
std::vector<std::string> texts_of(const std::string& name, const core::CsvTable& train,
                                  const core::CsvTable& test) {
  std::vector<std::string> texts;
  for (const auto* table : {&train, &test}) {
    const auto place = std::find(table->columns.begin(), table->columns.end(), name);
    require(place != table->columns.end(), "a factor that no column holds");
    for (const auto& row : table->rows)
      texts.push_back(row.fields[static_cast<size_t>(place - table->columns.begin())]);
  }
  return texts;
}

bool same_whole_number(const std::string& a, const std::string& b) {
  int64_t of_a = 0, of_b = 0;
  const auto end_a = std::from_chars(a.data(), a.data() + a.size(), of_a);
  const auto end_b = std::from_chars(b.data(), b.data() + b.size(), of_b);
  return end_a.ec == std::errc() && end_b.ec == std::errc() && end_a.ptr == a.data() + a.size() &&
         end_b.ptr == b.data() + b.size() && of_a == of_b;
}

// The first byte's lowest bit: whether another number of rows than there is is expected, the other
// bits. Then the names that are wanted, a zero, the training table, a zero, the test table.
void factor_tables(Input input) {
  if (input.empty()) return;
  static MemoryFile train_file, test_file;
  const uint8_t shape = input[0];
  std::string_view rest(reinterpret_cast<const char*>(input.data()) + 1, input.size() - 1);
  const auto wanted = names_of(take_word(rest));
  const auto train_text = take_word(rest);
  train_file.set(input.subspan(
      static_cast<size_t>(train_text.data() - reinterpret_cast<const char*>(input.data())),
      train_text.size()));
  test_file.set(input.last(rest.size()));
  const auto train = table_in(train_file), test = table_in(test_file);
  const auto num_train = static_cast<int64_t>((shape & 1) != 0 ? shape >> 1 : train.rows.size());
  const auto num_test = static_cast<int64_t>(test.rows.size());
  metrics::FactorTables found;
  if (!reads_or_refuses([&] {
        found = metrics::read_factor_tables(train_file.path(), num_train, test_file.path(),
                                            num_test, wanted);
      }))
    return;
  require(!found.names.empty(), "no factor");
  require(wanted.empty() || found.names == wanted, "other factors than are wanted");
  require(found.train.size() == found.names.size() && found.test.size() == found.names.size(),
          "a factor without values");
  for (size_t f = 0; f < found.names.size(); ++f) {
    require(std::count(found.names.begin(), found.names.end(), found.names[f]) == 1,
            "a factor that is there twice");
    require(static_cast<int64_t>(found.train[f].size()) == num_train, "a training value missing");
    require(static_cast<int64_t>(found.test[f].size()) == num_test, "a test value missing");
    const auto texts = texts_of(found.names[f], train, test);
    auto values = found.train[f];
    values.insert(values.end(), found.test[f].begin(), found.test[f].end());
    for (size_t i = 1; i < texts.size(); ++i) {
      const bool same = texts[i] == texts[i - 1] || same_whole_number(texts[i], texts[i - 1]);
      // Beside texts that are no numbers, 7 and 07 are texts, too.
      require(texts[i] != texts[i - 1] || values[i] == values[i - 1], "one text, two values");
      require(values[i] != values[i - 1] || same, "two texts, one value");
    }
  }
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(factor_tables, ipirm::fuzz::factor_tables)
