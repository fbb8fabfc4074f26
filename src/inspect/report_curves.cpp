// Puts the curves of several runs side by side.
#include "inspect/report_curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::inspect {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostPoints = 4000;  // of a line: more than a screen has pixels side by side

const Points* score(const RunRecord& record, const std::string& factor) {
  for (const auto& c : record.scores) {
    if (c.evaluation == "knn" && c.factor == factor && c.score == "test_acc@1") return &c.points;
  }
  return nullptr;
}

// Keeps every so-manieth point of each line, the same of all, where a line has too many.
void thin(Chart& chart) {
  size_t longest = 0;
  for (const auto& line : chart.lines) longest = std::max(longest, line.size());
  const size_t every = (longest + kMostPoints - 1) / kMostPoints;
  if (every <= 1) return;
  for (auto& line : chart.lines) {
    Points kept;
    for (size_t i = 0; i < line.size(); i += every) kept.push_back(line[i]);
    if (!line.empty() && kept.back() != line.back()) kept.push_back(line.back());
    line = std::move(kept);
  }
  chart.title += core::cat(" (one point in ", every, ")");
}

ordered_json rows_of(const std::vector<Points>& lines) {
  std::map<double, std::vector<ordered_json>> rows;
  for (size_t line = 0; line < lines.size(); ++line) {
    for (const auto& [x, y] : lines[line]) {
      auto& row = rows.try_emplace(x, lines.size(), nullptr).first->second;
      if (std::isfinite(y)) row[line] = y;
    }
  }
  auto result = ordered_json::array();
  for (const auto& [x, values] : rows) {
    auto row = ordered_json::array({x});
    for (const auto& value : values) row.push_back(value);
    result.push_back(std::move(row));
  }
  return result;
}

}  // namespace

std::vector<Chart> charts_of(const Report& report) {
  std::vector<Chart> charts;
  const auto add = [&](const std::string& title, const std::string& x, const auto& points_of) {
    Chart chart{core::cat("chart-", charts.size()), title, {x}, {}, {}};
    for (size_t run = 0; run < report.runs.size(); ++run) {
      const Points* points = points_of(report.runs[run].record);
      if (!points || points->empty()) continue;
      chart.labels.push_back(report.runs[run].name);
      chart.runs.push_back(run);
      chart.lines.push_back(*points);
    }
    thin(chart);
    if (!chart.lines.empty()) charts.push_back(std::move(chart));
  };
  for (const auto& factor : report.factors) {
    add("kNN accuracy on " + factor.name + ", %", "epoch",
        [&](const RunRecord& record) { return score(record, factor.name); });
  }
  add("Loss", "epoch", [](const RunRecord& record) { return &record.loss; });
  add("Risk in the searches for partitions", "pass (of all searches)",
      [](const RunRecord& record) { return &record.risk; });
  return charts;
}

std::string to_json(const std::vector<Chart>& charts) {
  auto all = ordered_json::array();
  for (const auto& chart : charts) {
    all.push_back({{"id", chart.id},
                   {"labels", chart.labels},
                   {"runs", chart.runs},
                   {"rows", rows_of(chart.lines)}});
  }
  std::string result;
  for (const char c : all.dump(-1, ' ', false, ordered_json::error_handler_t::replace)) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace ipirm::inspect
