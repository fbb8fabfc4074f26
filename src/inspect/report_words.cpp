// Says in a sentence what a run reached, and in a few words what a partition separated.
#include <algorithm>
#include <cmath>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"
#include "ipirm/inspect/report.h"

namespace ipirm::inspect {
namespace {

using core::cat;
using core::with_digits;

// Of a share of a factor's entropy: less is as good as nothing.
constexpr double kLeastShare = 0.03;

std::optional<ScoreAt> knn(const ReportRun& run, const std::string& factor) {
  return run.record.newest("knn", factor, "test_acc@1");
}

// ", 42.2 points more than random, the best of the others"; empty where there is none to compare.
std::string compared(const Report& report, const std::string& factor, double own) {
  const ReportRun* best = nullptr;
  int64_t others = 0;
  for (size_t i = 1; i < report.runs.size(); ++i) {
    const auto& other = report.runs[i];
    const auto score = knn(other, factor);
    if (!score || !other.other_data.empty()) continue;
    ++others;
    if (!best || score->value > knn(*best, factor)->value) best = &other;
  }
  if (!best) return "";
  const double ahead = own - knn(*best, factor)->value;
  return cat(", ", with_digits(std::fabs(ahead), 1), ahead >= 0 ? " points more" : " points less",
             " than ", best->name, others > 1 ? ", the best of the others" : "");
}

// What the result is where there is no accuracy.
std::string without_accuracy(const Report& report) {
  const auto& run = report.runs.front();
  if (!report.no_accuracy.empty())
    return cat(run.name, " has finished ", run.record.last_epoch, " of ", run.epochs,
               " epochs; its accuracy cannot be measured: ", report.no_accuracy);
  if (report.factors.empty()) return cat(run.name, ": nothing is known about the images");
  return cat(run.name, " has not been evaluated on ", report.factors.front().name, " yet");
}

}  // namespace

std::string separated(const std::vector<partition::FactorShare>& shares) {
  const auto most = std::max_element(
      shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.share < b.share; });
  if (most == shares.end()) return "what nobody knows";
  const auto numbers = cat(with_digits(most->information, 2), " nats, ",
                           with_digits(100 * most->share, 0), " % of what there is");
  if (most->share < kLeastShare)
    return cat("no known factor (at most ", most->name, ": ", numbers, ")");
  return cat(most->name, " (", numbers, ")");
}

std::string separated(const ReportPartition& partition) {
  std::vector<partition::FactorShare> shares;
  for (const auto& table : partition.tables) shares.push_back(table.share);
  return separated(shares);
}

std::string grouped(int64_t number) {
  const auto digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool between = i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0;
    if (between) text += ',';
    text += digits[i];
  }
  return text;
}

std::string result_sentence(const Report& report) {
  const auto& run = report.runs.front();
  const auto own = report.factors.empty() ? std::nullopt : knn(run, report.factors.front().name);
  std::string text;
  if (own) {
    const auto& factor = report.factors.front().name;
    text =
        cat(run.name, " has ", with_digits(own->value, 1), " % kNN accuracy on ", factor, " after ",
            own->epoch, " of ", run.epochs, " epochs", compared(report, factor, own->value));
  } else {
    text = without_accuracy(report);
  }
  if (const auto shares = run.record.shared(); !shares.empty())
    text += cat("; the partitions that it ",
                run.given_partition.empty() ? "was trained with" : "found itself", " separate ",
                separated(shares));
  return text + ".";
}

}  // namespace ipirm::inspect
