// Keeps the last and the best value of each curve, and sets them in columns.
#include "ipirm/inspect/run_summary.h"

#include <algorithm>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::inspect {
namespace {

using Row = std::vector<std::string>;

// `score` says what the values are: of a loss the least is the best.
Row row_of(const std::string& name, const std::string& score, const Points& points) {
  const bool less_is_better = score.find("loss") != std::string::npos;
  const auto better = [&](const auto& a, const auto& b) {
    return less_is_better ? a.second < b.second : a.second > b.second;
  };
  Row row = {name};
  // Of equally good epochs the first.
  for (const auto& [epoch, value] :
       {points.back(), *std::min_element(points.begin(), points.end(), better)}) {
    row.push_back(core::with_digits(value, 4));
    row.push_back(core::cat("(epoch ", epoch, ")"));
  }
  return row;
}

std::string partitions_text(const std::vector<PartitionRecord>& partitions) {
  if (partitions.empty()) return "";
  const auto& newest = partitions.back();
  auto text =
      core::cat("partitions  ", partitions.size(), ", the newest after epoch ", newest.epoch, ":");
  const char* separator = " ";
  for (const int64_t size : newest.sizes) {
    text += core::cat(separator, size);
    separator = " + ";
  }
  for (const auto& factor : newest.factors)
    text += ", " + core::with_digits(factor.information, 4) + " nats of " + factor.name;
  return text + "\n";
}

// The first column left-aligned, the others right-aligned.
std::string columns(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows.empty() ? 0 : rows.front().size());
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : rows) {
    std::string line = row[0] + std::string(widths[0] - row[0].size(), ' ');
    for (size_t c = 1; c < row.size(); ++c)
      line += "  " + std::string(widths[c] - row[c].size(), ' ') + row[c];
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

std::string run_summary(const RunRecord& record) {
  std::vector<Row> rows;
  if (!record.loss.empty()) rows.push_back(row_of("loss", "loss", record.loss));
  for (const auto& curve : record.scores) {
    const auto name = curve.evaluation + " " + curve.factor + "  " + curve.score;
    rows.push_back(row_of(name, curve.score, curve.points));
  }
  if (!rows.empty()) rows.insert(rows.begin(), {"", "last", "", "best", ""});
  return columns(rows) + partitions_text(record.partitions);
}

}  // namespace ipirm::inspect
