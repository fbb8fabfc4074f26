// Writes report.html from its parts, from the result down to how to repeat it.
#include <algorithm>

#include "inspect/embedded.h"
#include "inspect/html.h"
#include "inspect/report_curves.h"
#include "ipirm/core/error.h"
#include "ipirm/core/text.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {
namespace {

using core::cat;
using core::with_digits;

constexpr size_t kMostBytes = 9'500'000;  // of the page: it must stay below 10 MB
constexpr int kFoldedFrom = 30;           // rows from which a table is folded

std::string paragraph(const std::string& text, const std::string& kind = "") {
  return "<p" + (kind.empty() ? "" : " class=\"" + kind + "\"") + ">" + escaped(text) + "</p>\n";
}

std::string section(const std::string& title) { return "<h2>" + escaped(title) + "</h2>\n"; }

std::string folded(const std::string& title, const std::string& content, bool open = false) {
  return cat("<details", open ? " open" : "", "><summary>", escaped(title), "</summary>\n", content,
             "</details>\n");
}

// sheet: a picture with captions, which is not made smaller than they can be read.
std::string figure(const std::string& content, const std::string& words, bool sheet = false) {
  return std::string(sheet ? "<figure><div class=\"sheet\">" : "<figure><div>") + content +
         "</div><figcaption>" + escaped(words) + "</figcaption></figure>\n";
}

std::string percent(const std::optional<double>& value) {
  return value ? with_digits(*value, 1) + " %" : "-";
}

// The column's highest value is set off where there are several.
void mark_best(std::vector<std::vector<Cell>>& rows, size_t column,
               const std::vector<std::optional<double>>& values) {
  std::optional<double> best;
  for (const auto& value : values) {
    if (value && (!best || *value > *best)) best = value;
  }
  for (size_t i = 0; i < rows.size() && rows.size() > 1 && best; ++i) {
    if (values[i] == best) rows[i][column].attribute = "class=\"best\"";
  }
}

std::string shared_with(const ReportRun& run, const std::string& factor) {
  for (const auto& share : run.record.shared()) {
    if (share.name == factor) return with_digits(share.information, 2);
  }
  return "-";
}

// A row for each run: accuracies, and what its partitions share with each factor.
std::string result_table(const Report& report) {
  std::vector<std::string> heading = {"run", "epochs"};
  std::vector<std::vector<Cell>> rows;
  for (const auto& run : report.runs)
    rows.push_back({{run.name}, {cat(run.record.last_epoch, " of ", run.epochs)}});
  const auto add = [&](const std::string& name, const std::string& factor, const auto& value_of) {
    std::vector<std::optional<double>> values;
    for (const auto& run : report.runs) values.push_back(value_of(run));
    if (std::none_of(values.begin(), values.end(), [](const auto& v) { return v.has_value(); }))
      return;
    heading.push_back(name + " " + factor);
    for (size_t i = 0; i < rows.size(); ++i) rows[i].push_back({percent(values[i])});
    mark_best(rows, heading.size() - 1, values);
  };
  for (const auto& factor : report.factors) {
    add("kNN", factor.name,
        [&](const ReportRun& run) { return run.record.newest("knn", factor.name, "test_acc@1"); });
  }
  for (const auto& factor : report.factors) {
    add("linear", factor.name, [&](const ReportRun& run) {
      return run.linear ? run.linear->newest("linear", factor.name, "test_acc@1") : std::nullopt;
    });
  }
  for (const auto& factor : report.factors) {
    heading.push_back("nats " + factor.name);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i].push_back({shared_with(report.runs[i], factor.name)});
  }
  return table(heading, rows) +
         paragraph(
             "kNN and linear: newest accuracy on test images. Nats: mutual information of the "
             "factor and the partitions that the run was trained with, their mean.",
             "note");
}

std::string settings(const Report& report) {
  const auto rows_of = [](const std::vector<ReportSetting>& settings) {
    std::vector<std::vector<Cell>> rows;
    for (const auto& s : settings) rows.push_back({{s.name}, {s.value}});
    return rows;
  };
  std::string text = section("What was run") + paragraph(report.data) +
                     table({"setting that is not the default", "value"}, rows_of(report.differing));
  text += folded(cat("The other ", report.others.size(), " settings, at their defaults"),
                 table({"setting", "value"}, rows_of(report.others)));
  return text;
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
      certainty = with_digits(record.certainty, 3);
      overlap = record.overlap ? with_digits(100 * *record.overlap, 0) + " %" : "-";
    }
    rows.push_back({{std::to_string(partition.epoch)}, {sizes}, {certainty}, {overlap}});
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
                     cat("class=\"part\" style=\"--part:", with_digits(part, 1), "%\"")});
    }
    if (all > 0) rows.push_back(std::move(row));
  }
  const bool fold = rows.size() >= kFoldedFrom;
  const std::string title = cat(factor.name, ": ", with_digits(found.share.information, 3), " of ",
                                with_digits(found.share.entropy, 3), " nats shared (",
                                with_digits(100 * found.share.share, 1), " %)");
  const auto content = table(heading, rows);
  return fold ? folded(title, content) : "<h3>" + escaped(title) + "</h3>\n" + content;
}

std::string sheets_of(const ReportPartition& partition, size_t room) {
  std::string text;
  for (size_t e = 0; e < partition.sheets.size(); ++e) {
    const auto& chosen = partition.chosen[e];
    const std::string words =
        cat("Environment ", e, ": ", chosen.size, " images; ", chosen.most.size(),
            chosen.least.empty() ? " are shown, the most certain first"
                                 : " of the most certain ones, then those it is least sure of");
    const auto content = figure(image_tag(partition.sheets[e], words), words, true);
    if (text.size() + content.size() > room) {
      text += paragraph(cat("There is no room left for the sheet of environment ", e, ": see ",
                            "partition_", partition.epoch, "_environment_", e, ".png."),
                        "note");
      continue;
    }
    text += content;
  }
  return text;
}

// The newest partition first, and unfolded.
std::string partitions(const Report& report, size_t room) {
  std::string text = section("Partitions");
  if (report.partitions.empty()) return text + paragraph("This run has none.");
  text += timeline(report);
  for (size_t i = report.partitions.size(); i-- > 0;) {
    const auto& partition = report.partitions[i];
    std::string content;
    for (size_t f = 0; f < partition.tables.size(); ++f)
      content += meeting_table(partition.tables[f], report.factors[f]);
    const size_t left =
        room > text.size() + content.size() ? room - text.size() - content.size() : 0;
    content += sheets_of(partition, left);
    text += folded(cat("After epoch ", partition.epoch, ": separates ", separated(partition)),
                   content, i + 1 == report.partitions.size());
  }
  return text;
}

std::string features(const Report& report) {
  std::string text = section("Features") + paragraph("Of " + report.network + ".", "note");
  if (report.neighbours) {
    const std::string words =
        "Test images and their nearest neighbours by h, nearest first; green: "
        "of the same class";
    text += figure(image_tag(*report.neighbours, words), words, true);
  }
  for (const auto& map : report.maps) {
    const auto words =
        cat("Test images' h on their two main axes (", with_digits(100 * report.map_share, 0),
            " % of the variance), coloured by ", map.factor);
    text += figure(image_tag(map.picture, words), words);
  }
  for (const auto& c : report.confusions) {
    const auto words = cat(c.classifier, " on ", c.factor.name, ": ",
                           with_digits(c.confusion.overall, 1), " % of the images are right, ",
                           with_digits(c.confusion.mean, 1), " % as the mean over values");
    std::vector<std::vector<Cell>> rows;
    for (size_t v = 0; v < c.confusion.accuracy.size(); ++v) {
      if (c.confusion.accuracy[v] < 0) continue;
      const auto part = with_digits(c.confusion.accuracy[v], 1);
      rows.push_back({{value_name(c.factor, static_cast<int64_t>(v))},
                      {part + " %", cat("class=\"part\" style=\"--part:", part, "%\"")}});
    }
    text += figure(image_tag(c.picture, words), words) +
            folded("Accuracy by " + c.factor.name, table({c.factor.name, "accuracy"}, rows));
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
                          result_table(report) + settings(report) + curves(charts);
  const std::string end = features(report) + repeat(report) + "</main>\n<script>" +
                          without_map(embedded::dygraphs_script()) + "</script>\n" +
                          "<script type=\"application/json\" id=\"curves\">" + to_json(charts) +
                          "</script>\n<script>" + std::string(embedded::page_script()) +
                          "</script>\n</body>\n</html>\n";
  const size_t used = top.size() + end.size();
  return top + partitions(report, kMostBytes > used ? kMostBytes - used : 0) + end;
}

}  // namespace ipirm::inspect
