// Reads tables of comma-separated values and quotes fields.
#include "ipirm/core/csv.h"

#include <algorithm>
#include <utility>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/text.h"

namespace ipirm::core {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, std::string path) : text_(text), path_(std::move(path)) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  CsvTable parse() {
    CsvTable table;
    while (position_ < text_.size()) {
      if (end_of_line()) continue;
      CsvTable::Row row{line_, fields()};
      if (table.columns.empty()) {
        check_heading(row);
        table.columns = std::move(row.fields);
      } else if (row.fields.size() != table.columns.size()) {
        fail(row.line, cat("found ", row.fields.size(), " fields, expected ", table.columns.size(),
                           " as in the heading"));
      } else {
        table.rows.push_back(std::move(row));
      }
    }
    if (table.columns.empty()) fail(1, "found no line, expected a heading that names the columns");
    return table;
  }

 private:
  [[noreturn]] void fail(int64_t line, const std::string& problem) const {
    throw UserError(cat(path_, ":", line, ": ", problem));
  }

  void check_heading(const CsvTable::Row& heading) const {
    for (auto name = heading.fields.begin(); name != heading.fields.end(); ++name) {
      if (name->empty()) {
        fail(heading.line, cat("found no name for column ", name - heading.fields.begin() + 1,
                               ", expected a heading that names every column"));
      }
      if (std::find(heading.fields.begin(), name, *name) != name)
        fail(heading.line,
             cat("found two columns ", in_quotes(*name), ", expected each name once"));
    }
  }

  // Steps over the end of a line, if it stands here.
  bool end_of_line() {
    const auto rest = text_.substr(position_);
    const size_t size = rest.starts_with("\r\n") ? 2 : rest.starts_with("\n") ? 1 : 0;
    position_ += size;
    line_ += size > 0;
    return size > 0;
  }

  std::vector<std::string> fields() {
    std::vector<std::string> result;
    for (;;) {
      result.push_back(text_.substr(position_).starts_with('"') ? quoted() : plain());
      if (position_ == text_.size() || end_of_line()) return result;
      if (text_[position_] != ',') {
        fail(line_,
             cat("found ", in_quotes(text_.substr(position_, 1)), " behind the quotes of field ",
                 result.size(), ", expected a comma or the end of the line"));
      }
      ++position_;
    }
  }

  std::string plain() {
    const size_t end = std::min(text_.find_first_of(",\n", position_), text_.size());
    std::string field(text_.substr(position_, end - position_));
    if (end < text_.size() && text_[end] == '\n' && field.ends_with('\r')) field.pop_back();
    if (field.find('"') != std::string::npos) {
      fail(line_, cat("found a quote inside ", in_quotes(field),
                      ", expected the whole field in quotes and each of its quotes twice"));
    }
    position_ += field.size();
    return field;
  }

  std::string quoted() {
    const int64_t first_line = line_;
    std::string field;
    for (++position_;; ++position_) {
      const size_t end = text_.find('"', position_);
      if (end == std::string_view::npos)
        fail(first_line, "found a quote that is never closed, expected another one");
      field += text_.substr(position_, end - position_);
      line_ += std::count(text_.begin() + static_cast<ptrdiff_t>(position_),
                          text_.begin() + static_cast<ptrdiff_t>(end), '\n');
      position_ = end + 1;
      if (!text_.substr(position_).starts_with('"')) return field;
      field += '"';
    }
  }

  std::string_view text_;
  std::string path_;
  size_t position_ = 0;
  int64_t line_ = 1;
};

}  // namespace

CsvTable read_csv(const std::filesystem::path& path, uint64_t max_bytes) {
  const std::string text = read_file(path, max_bytes);
  return CsvParser(text, path.string()).parse();
}

std::string csv_field(std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(field);
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

}  // namespace ipirm::core
