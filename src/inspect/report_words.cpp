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

std::optional<double> knn(const ReportRun& run, const std::string& factor) {
  return run.record.newest("knn", factor, "test_acc@1");
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

std::string result_sentence(const Report& report) {
  const auto& run = report.runs.front();
  if (report.factors.empty()) return cat(run.name, ": nothing is known about the images.");
  const auto& factor = report.factors.front().name;
  const auto own = knn(run, factor);
  if (!own) return cat(run.name, " has not been evaluated on ", factor, " yet.");
  std::string text = cat(run.name, " has ", with_digits(*own, 1), " % kNN accuracy on ", factor,
                         " after ", run.record.last_epoch, " of ", run.epochs, " epochs");
  const ReportRun* best_other = nullptr;
  for (const auto& other : report.runs) {
    const auto value = knn(other, factor);
    if (&other == &run || !value) continue;
    if (!best_other || *value > *knn(*best_other, factor)) best_other = &other;
  }
  if (best_other) {
    const double ahead = *own - *knn(*best_other, factor);
    text +=
        cat(", ", with_digits(std::fabs(ahead), 1), ahead >= 0 ? " points more" : " points less",
            " than ", best_other->name, ", the best of the others");
  }
  if (const auto shares = run.record.shared(); !shares.empty())
    text += cat("; the partitions that it was trained with separate ", separated(shares));
  return text + ".";
}

}  // namespace ipirm::inspect
