// Writes report.html from its parts, from the result down to how to repeat it.
#include "inspect/embedded.h"
#include "inspect/html.h"
#include "inspect/report_curves.h"
#include "inspect/report_parts.h"
#include "ipirm/core/error.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {
namespace {

using core::cat;

std::string settings_table(std::vector<std::string> heading,
                           const std::vector<ReportSetting>& settings) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& setting : settings) {
    std::vector<Cell> row = {{setting.name}};
    for (const auto& value : setting.values) row.push_back({value});
    rows.push_back(std::move(row));
  }
  return table(std::move(heading), rows);
}

std::string settings(const Report& report) {
  std::string text = section("What was run") + paragraph(report.data);
  if (!report.differing.empty()) {
    std::vector<std::string> heading = {"setting in which the runs differ"};
    for (const auto& run : report.runs) heading.push_back(run.name);
    text += settings_table(std::move(heading), report.differing);
  }
  text += folded(cat(report.own.size(), " settings that are not the defaults",
                     report.differing.empty() ? "" : ", alike in all runs"),
                 settings_table({"setting", "value"}, report.own));
  return text + folded(cat(report.others.size(), " settings at their defaults"),
                       settings_table({"setting", "value"}, report.others));
}

std::string curves(const std::vector<Chart>& charts) {
  std::string text = section("Curves") +
                     "<p class=\"note screen\">Drag to zoom, double-click to see all again; on a "
                     "phone with two fingers. Values stand above a chart while you point into "
                     "it.</p>\n";
  for (const auto& chart : charts) {
    text += cat("<h3>", escaped(chart.title), "</h3>\n<div class=\"legend\" id=\"", chart.id,
                "-legend\"></div>\n<div class=\"chart\" id=\"", chart.id, "\"></div>\n");
  }
  return text;
}

std::string repeat(const Report& report) {
  std::string text = section("How to repeat it") + "<pre>";
  for (const auto& command : report.commands) text += escaped(command) + "\n";
  return text + "</pre>\n";
}

// A library's file without its last line, which tells browsers where its sources lie: some ask for
// them.
std::string without_map(std::string_view file) {
  const auto map = file.rfind("sourceMappingURL=");
  return std::string(map == file.npos ? file : file.substr(0, file.rfind('\n', map)));
}

std::string head(const Report& report) {
  return cat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; ",
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>",
      escaped(report.runs.front().name), " - ipirm</title>\n<style>",
      without_map(embedded::dygraphs_style()), embedded::page_style(),
      "</style>\n</head>\n<body>\n<main>\n<h1>", escaped(report.runs.front().name), "</h1>\n");
}

}  // namespace

std::string report_page(const Report& report) {
  const auto charts = charts_of(report);
  const std::string top = head(report) + paragraph(result_sentence(report), "result") +
                          result_table(report) + curves(charts) + settings(report);
  const std::string end = repeat(report) + "</main>\n<script>" +
                          without_map(embedded::dygraphs_script()) + "</script>\n" +
                          "<script type=\"application/json\" id=\"curves\">" + to_json(charts) +
                          "</script>\n<script>" + std::string(embedded::page_script()) +
                          "</script>\n</body>\n</html>\n";
  const size_t used = top.size() + end.size();
  Room room(kMostPageBytes > used ? kMostPageBytes - used : 0);
  // Features come last, but their pictures are few: they choose first.
  const std::string features = features_section(report, room);
  return top + partitions_section(report, room) + features + end;
}

}  // namespace ipirm::inspect
