// Comma-separated values as RFC 4180 describes them: tables read, fields written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ipirm::core {

// A heading and rows that have a field for each of its names.
struct CsvTable {
  struct Row {
    int64_t line = 0;  // of the file, from 1, where the row begins
    std::vector<std::string> fields;
  };
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

// Fields may be quoted, lines end by LF or CRLF, a byte order mark is skipped, and so are empty
// lines. Throws UserError, with "file:line:" in front and what was found and expected, for a file
// without a heading, a name that is empty or there twice, a row of more or fewer fields, and quotes
// that are not where they may be; as read_file() does for a file of more than max_bytes.
CsvTable read_csv(const std::filesystem::path& path, uint64_t max_bytes);

// The text of one field: quoted where it must be.
std::string csv_field(std::string_view field);

}  // namespace ipirm::core
