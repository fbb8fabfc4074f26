// Lays out scores for programs and for people.
#include "app/metrics_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::app {
namespace {

using nlohmann::ordered_json;

constexpr size_t kNameWidth = 20, kColumnWidth = 12;

ordered_json object_of(const core::NamedValues& values) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

std::string padded(const std::string& text, size_t width, bool to_the_right) {
  const std::string space(width > text.size() ? width - text.size() : 0, ' ');
  return to_the_right ? space + text : text + space;
}

// "explicitness_test  0.9499".
std::string line_of(const std::string& name, const std::vector<std::string>& cells) {
  std::string line = padded(name, kNameWidth, false);
  for (const auto& cell : cells) line += ' ' + padded(cell, kColumnWidth, true);
  return line + '\n';
}

std::string value_of(const core::NamedValues& values, const std::string& name) {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const auto& value) { return value.name == name; });
  return found == values.end() ? "-" : core::with_digits(found->value, 4);
}

}  // namespace

std::string to_json(const metrics::Report& report, const metrics::MetricOptions& options) {
  ordered_json json = {{"train_samples", report.train_samples},
                       {"test_samples", report.test_samples},
                       {"codes", report.codes},
                       {"dead_codes", report.dead_codes},
                       {"seed", options.seed},
                       {"irs_quantile", options.irs_quantile},
                       {"scores", object_of(report.scores)}};
  json["factors"] = ordered_json::object();
  for (const auto& [name, scores] : report.factors) json["factors"][name] = object_of(scores);
  json["codes_by_factors"] = ordered_json::object();
  for (const auto& [name, matrix] : report.matrices) {
    auto& rows = json["codes_by_factors"][name] = ordered_json::array();
    for (int64_t d = 0; d < matrix.rows; ++d) {
      const auto first = matrix.values.begin() + d * matrix.columns;
      rows.push_back(std::vector<double>(first, first + matrix.columns));
    }
  }
  json["notes"] = report.notes;
  return json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

std::string to_table(const metrics::Report& report) {
  std::vector<std::string> heading = {"all"}, rows;
  const auto add_names = [&](const core::NamedValues& values) {
    for (const auto& [name, value] : values) {
      if (std::find(rows.begin(), rows.end(), name) == rows.end()) rows.push_back(name);
    }
  };
  add_names(report.scores);
  for (const auto& [name, scores] : report.factors) {
    heading.push_back(name);
    add_names(scores);
  }
  std::string text = line_of("", heading);
  for (const auto& row : rows) {
    std::vector<std::string> cells = {value_of(report.scores, row)};
    for (const auto& [name, scores] : report.factors) cells.push_back(value_of(scores, row));
    text += line_of(row, cells);
  }
  return text + core::cat(report.codes, " codes, of which ", report.dead_codes, " are dead; ",
                          report.train_samples, " training and ", report.test_samples,
                          " test samples\n");
}

}  // namespace ipirm::app
