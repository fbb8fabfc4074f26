// Shows a run's partitions, as many of their tables and sheets as the page has room for.
#include <algorithm>
#include <cmath>
#include <utility>

#include "inspect/report_parts.h"
#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::inspect {
namespace {

using core::cat;
using core::with_digits;

constexpr size_t kFoldedFrom = 30;  // rows or columns from which a table is folded

// A row for each partition: where, how sure, what it shares.
std::string timeline(const Report& report) {
  const auto& records = report.runs.front().record.partitions;
  std::vector<std::string> heading = {"after epoch", "images in each environment", "certainty",
                                      "like the one before"};
  for (const auto& factor : report.factors) heading.push_back("nats " + factor.name);
  std::vector<std::vector<Cell>> rows;
  for (const auto& partition : report.partitions) {
    std::string sizes, certainty = "-", overlap = "-";
    for (const auto& chosen : partition.chosen)
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(chosen.size);
    for (const auto& record : records) {
      if (record.epoch != partition.epoch) continue;
      certainty = std::isfinite(record.certainty) ? with_digits(record.certainty, 3) : "-";
      overlap = record.overlap ? with_digits(100 * *record.overlap, 0) + " %" : "-";
    }
    rows.push_back(
        {{std::to_string(partition.epoch)}, {sizes, "class=\"long\""}, {certainty}, {overlap}});
    for (const auto& t : partition.tables)
      rows.back().push_back({with_digits(t.share.information, 2)});
  }
  return table(heading, rows);
}

// A row for each value of the factor: how its images are shared out among the environments.
std::string meeting_table(const FactorTable& found, const data::Factor& factor) {
  std::vector<std::string> heading = {factor.name};
  for (size_t e = 0; e < found.counts.size(); ++e) heading.push_back(cat("env. ", e));
  std::vector<std::vector<Cell>> rows;
  for (int64_t v = 0; v < factor.num_values; ++v) {
    std::vector<Cell> row = {{value_name(factor, v)}};
    int64_t all = 0;
    for (const auto& counts : found.counts) all += counts[static_cast<size_t>(v)];
    for (const auto& counts : found.counts) {
      const int64_t count = counts[static_cast<size_t>(v)];
      const double part =
          all > 0 ? 100.0 * static_cast<double>(count) / static_cast<double>(all) : 0;
      row.push_back({std::to_string(count),
                     cat("class=\"part\" style=\"--part:", with_digits(part, 0), "%\"")});
    }
    if (all > 0) rows.push_back(std::move(row));
  }
  const std::string title = cat(factor.name, ": ", with_digits(found.share.information, 3), " of ",
                                with_digits(found.share.entropy, 3), " nats shared (",
                                with_digits(100 * found.share.share, 1), " %)");
  auto content = table(heading, rows);
  if (found.unknown > 0)
    content += paragraph(
        cat(grouped(found.unknown), " images whose ", factor.name, " nobody knows are left out."),
        "note");
  const bool fold = rows.size() >= kFoldedFrom || heading.size() > kFoldedFrom;
  return fold ? folded(title, content) : "<h3>" + escaped(title) + "</h3>\n" + content;
}

// Where the tables are that the page has no room for.
std::string tables_of(const ReportPartition& partition, const Report& report, Room& room) {
  std::string text, left_out;
  for (size_t f = 0; f < partition.tables.size(); ++f) {
    const auto content = meeting_table(partition.tables[f], report.factors[f]);
    if (room.take(content.size())) {
      text += content;
    } else {
      left_out += (left_out.empty() ? "" : ", ") + report.factors[f].name;
    }
  }
  if (left_out.empty()) return text;
  return text + paragraph(cat("There is no room left for the tables of ", left_out,
                              ": see partition_", partition.epoch, ".json."),
                          "note");
}

std::string sheets_of(const ReportPartition& partition, Room& room) {
  std::string text;
  size_t left_out = 0;
  for (size_t e = 0; e < partition.sheets.size(); ++e) {
    const auto& chosen = partition.chosen[e];
    const std::string words =
        cat("Environment ", e, ": ", chosen.size, " images; ", chosen.most.size(),
            chosen.least.empty() ? " are shown, the most certain first"
                                 : " of the most certain ones, then those it is least sure of");
    const auto& sheet = partition.sheets[e];
    const auto content = sheet.bytes.empty() ? "" : figure(sheet, words, Scale::kSheet);
    if (content.empty() || !room.take(content.size())) {
      ++left_out;
      continue;
    }
    text += content;
  }
  if (left_out == 0) return text;
  return text + paragraph(cat("There is no room left for the sheets of ", left_out, " of ",
                              partition.sheets.size(), " environments: see partition_",
                              partition.epoch, "_environment_K.png."),
                          "note");
}

}  // namespace

std::string partitions_section(const Report& report, Room& room) {
  const auto& run = report.runs.front();
  std::string text = section("Partitions");
  if (!run.given_partition.empty())
    text += paragraph("It began with the partition that was given: " + run.given_partition +
                      (report.partitions.empty() ? ". It found none of its own." : "."));
  if (report.partitions.empty())
    return run.given_partition.empty() ? text + paragraph("This run has none.") : text;
  auto times = timeline(report);
  if (room.take(times.size())) text += times;
  const size_t n = report.partitions.size();
  // Numbers of all partitions are worth more than pictures of the newest one, up to a half.
  Room for_tables(room.left() / 2);
  std::vector<std::string> content(n);
  for (size_t i = n; i-- > 0;) content[i] = tables_of(report.partitions[i], report, for_tables);
  for (const auto& tables : content) room.take(std::min(room.left(), tables.size()));
  for (size_t i = n; i-- > 0;) {
    const auto& partition = report.partitions[i];
    content[i] += sheets_of(partition, room);
    text += folded(cat("After epoch ", partition.epoch, ": separates ", separated(partition)),
                   content[i], i + 1 == n);
  }
  return text;
}

}  // namespace ipirm::inspect
