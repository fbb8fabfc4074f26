// Fuzz target: the bytes of a table of comma-separated values.
#include "fuzz/target.h"
#include "ipirm/core/csv.h"

namespace ipirm::fuzz {
namespace {

void append(std::string& text, const std::vector<std::string>& fields) {
  for (size_t i = 0; i < fields.size(); ++i)
    text += (i == 0 ? "" : ",") + core::csv_field(fields[i]);
  // A row of one empty field must not become an empty line, which is none.
  text += fields.size() == 1 && fields[0].empty() ? "\"\"\n" : "\n";
}

// What is read must come back from what is written.
void csv(Input input) {
  static MemoryFile file;
  file.set(input);
  core::CsvTable table, again;
  if (!reads_or_refuses([&] { table = core::read_csv(file.path(), uint64_t{1} << 20); })) return;
  std::string text = "\xef\xbb\xbf";  // which is skipped: the first name may begin with another
  append(text, table.columns);
  for (const auto& row : table.rows) append(text, row.fields);
  file.set({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  require(reads_or_refuses([&] { again = core::read_csv(file.path(), uint64_t{1} << 22); }),
          "what was written cannot be read");
  require(again.columns == table.columns && again.rows.size() == table.rows.size(),
          "a column or a row was lost by writing and reading it");
  for (size_t r = 0; r < table.rows.size(); ++r) {
    require(table.rows[r].fields.size() == table.columns.size(), "a row of another length");
    require(again.rows[r].fields == table.rows[r].fields,
            "a field changed by writing and reading it");
  }
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(csv, ipirm::fuzz::csv)
