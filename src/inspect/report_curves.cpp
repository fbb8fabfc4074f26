// Puts the curves of several runs side by side.
#include "inspect/report_curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "ipirm/core/error.h"

namespace ipirm::inspect {
namespace {

using nlohmann::ordered_json;

const Points* score(const RunRecord& record, const std::string& factor) {
  for (const auto& c : record.scores) {
    if (c.evaluation == "knn" && c.factor == factor && c.score == "test_acc@1") return &c.points;
  }
  return nullptr;
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
    Chart chart{core::cat("chart-", charts.size()), title, {x}, {}};
    for (const auto& run : report.runs) {
      const Points* points = points_of(run.record);
      if (!points || points->empty()) continue;
      chart.labels.push_back(run.name);
      chart.lines.push_back(*points);
    }
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
    all.push_back({{"id", chart.id}, {"labels", chart.labels}, {"rows", rows_of(chart.lines)}});
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
