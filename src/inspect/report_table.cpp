// Sets the runs' results side by side.
#include <algorithm>
#include <optional>

#include "inspect/report_parts.h"
#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::inspect {
namespace {

using core::cat;
using core::with_digits;
using Rows = std::vector<std::vector<Cell>>;
using Scores = std::vector<std::optional<ScoreAt>>;

// The column's highest value is set off where there are several of the same data.
void mark_best(const Report& report, Rows& rows, size_t column, const Scores& scores) {
  std::optional<double> best;
  size_t compared = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i] || !report.runs[i].other_data.empty()) continue;
    best = std::max(best.value_or(scores[i]->value), scores[i]->value);
    ++compared;
  }
  for (size_t i = 0; i < rows.size() && compared > 1; ++i) {
    if (scores[i] && scores[i]->value == best && report.runs[i].other_data.empty())
      rows[i][column].attribute = "class=\"best\"";
  }
}

// "67.5 %", with the epoch of the evaluation where the table does not name it anyway.
std::string in_words(const std::optional<ScoreAt>& score, int64_t told_epoch) {
  if (!score) return "-";
  const auto text = with_digits(score->value, 1) + " %";
  return score->epoch == told_epoch ? text : cat(text, " (epoch ", score->epoch, ")");
}

std::string shared_with(const ReportRun& run, const std::string& factor) {
  for (const auto& share : run.record.shared()) {
    if (share.name == factor) return with_digits(share.information, 2);
  }
  return "-";
}

// Which network each linear evaluation is of.
std::string linear_models(const Report& report) {
  std::string text;
  for (const auto& run : report.runs) {
    if (!run.linear) continue;
    text += cat(text.empty() ? "" : ", ",
                run.linear_model.empty() ? "an unknown network" : run.linear_model, " (", run.name,
                ")");
  }
  return text;
}

std::string notes(const Report& report) {
  std::string text = paragraph(
      "kNN: newest accuracy on test images. Linear: that of the last epoch of ipirm-linear --txt. "
      "Nats: mutual information of the factor and the partitions that were found for the run's "
      "epochs, their mean.",
      "note");
  if (const auto models = linear_models(report); !models.empty())
    text += paragraph("Linear evaluations are of " + models + ".", "note");
  for (const auto& run : report.runs) {
    if (!run.other_data.empty())
      text += paragraph(
          cat(run.name, " saw other data, ", run.other_data, ": its numbers are not compared."),
          "note");
  }
  return text;
}

}  // namespace

std::string result_table(const Report& report) {
  std::vector<std::string> heading = {"run", "epochs"};
  Rows rows;
  for (const auto& run : report.runs)
    rows.push_back({{run.name}, {cat(run.record.last_epoch, " of ", run.epochs)}});
  const auto add = [&](const std::string& name, const auto& score_of, const auto& told_epoch) {
    Scores scores;
    for (const auto& run : report.runs) scores.push_back(score_of(run));
    if (std::none_of(scores.begin(), scores.end(), [](const auto& s) { return s.has_value(); }))
      return;
    heading.push_back(name);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i].push_back({in_words(scores[i], told_epoch(report.runs[i], scores[i]))});
    mark_best(report, rows, heading.size() - 1, scores);
  };
  for (const auto& factor : report.factors) {
    add(
        "kNN " + factor.name,
        [&](const ReportRun& run) { return run.record.newest("knn", factor.name, "test_acc@1"); },
        [](const ReportRun& run, const auto&) { return run.record.last_epoch; });
  }
  for (const auto& factor : report.factors) {
    add(
        "linear " + factor.name,
        [&](const ReportRun& run) {
          return run.linear ? run.linear->newest("linear", factor.name, "test_acc@1")
                            : std::nullopt;
        },
        [](const ReportRun&, const auto& score) { return score ? score->epoch : 0; });
  }
  for (const auto& factor : report.factors) {
    heading.push_back("nats " + factor.name);
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i].push_back({shared_with(report.runs[i], factor.name)});
  }
  return table(heading, rows) + notes(report);
}

}  // namespace ipirm::inspect
