// What a run's metrics.jsonl says (src/checkpoint/FORMAT.md), in the shape in which it is shown.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipirm/partition/judge.h"

namespace ipirm::inspect {

// (x, y) in ascending x. What was no finite number has no point.
using Points = std::vector<std::pair<double, double>>;

// One score of an evaluation over the epochs: "test_acc@1" of "digit" by "knn".
struct ScoreCurve {
  std::string evaluation, factor, score;
  Points points;  // epoch, value
};

// What a score was after an epoch.
struct ScoreAt {
  int64_t epoch = 0;
  double value = 0;
};

// A partition as it was judged when it was found. Numbers that the log leaves open are NaN.
struct PartitionRecord {
  int64_t epoch = 0;
  std::string source;  // "search", "random", "factor:NAME"
  std::vector<int64_t> sizes;
  double certainty = 0;
  std::optional<double> overlap;  // with the one before
  std::vector<partition::FactorShare> factors;
};

struct RunRecord {
  Points loss;                     // epoch, mean loss
  Points risk;                     // pass, counted over all searches of the run; the risk of each
  std::vector<ScoreCurve> scores;  // in the order of their first appearance
  std::vector<PartitionRecord> partitions;
  int64_t last_epoch = 0;  // that was finished; 0: none

  // The newest value; nothing where there is no such curve.
  std::optional<ScoreAt> newest(const std::string& evaluation, const std::string& factor,
                                const std::string& score) const;
  // What the partitions that the finished epochs were trained with share with each factor, their
  // mean; empty where there are none. (One that was found after the last epoch was not used.)
  std::vector<partition::FactorShare> shared() const;
};

// Events and keys that are unknown are skipped, and so is a last line without its end, which a run
// is writing. Throws UserError, with file:line, for a line that is no JSON object, and for numbers
// that no run writes.
RunRecord read_run_record(const std::filesystem::path& metrics_jsonl);

}  // namespace ipirm::inspect
