// Reads metrics.jsonl line by line.
#include "ipirm/inspect/run_record.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::inspect {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // a line is some 300 bytes, a step a line

constexpr double kMostCounted = 9e15;  // of epochs and images: doubles still tell them apart

// A line that is JSON, but no event.
struct BadEvent : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A whole number from 0 on.
int64_t count_of(const ordered_json& value, const char* name) {
  const double number = value.get<double>();
  if (!(number >= 0 && number <= kMostCounted && number == std::floor(number)))
    throw BadEvent(core::cat(name, ": found ", value.dump(), ", expected a number from 0 on"));
  return static_cast<int64_t>(number);
}

int64_t epoch_of(const ordered_json& event) { return count_of(event.at("epoch"), "epoch"); }

// NaN for null: JSON has no other form of what is not finite.
double number_of(const ordered_json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

// A point where there is a finite value: null, NaN say, leaves a gap.
void add_point(Points& points, double x, const ordered_json& value) {
  if (const double y = number_of(value); std::isfinite(y)) points.emplace_back(x, y);
}

Points& curve(RunRecord& record, const std::string& evaluation, const std::string& factor,
              const std::string& score) {
  for (auto& c : record.scores) {
    if (c.evaluation == evaluation && c.factor == factor && c.score == score) return c.points;
  }
  return record.scores.emplace_back(ScoreCurve{evaluation, factor, score, {}}).points;
}

PartitionRecord partition_of(const ordered_json& event) {
  PartitionRecord result;
  result.epoch = epoch_of(event);
  result.source = event.value("source", "");
  for (const auto& size : event.at("sizes")) result.sizes.push_back(count_of(size, "sizes"));
  result.certainty = number_of(event.at("certainty"));
  if (event.contains("overlap") && !event["overlap"].is_null())
    result.overlap = event["overlap"].get<double>();
  if (!event.contains("factors")) return result;
  for (const auto& [name, share] : event["factors"].items()) {
    result.factors.push_back({name, number_of(share.at("information")),
                              number_of(share.at("entropy")), number_of(share.at("share"))});
  }
  return result;
}

// Every number of an evaluation's event but its epoch is a score of its factor.
void add_scores(RunRecord& record, const std::string& evaluation, const ordered_json& event) {
  const auto factor = event.at("factor").get<std::string>();
  const auto epoch = static_cast<double>(epoch_of(event));
  for (const auto& [name, value] : event.items()) {
    if (name != "epoch" && value.is_number())
      add_point(curve(record, evaluation, factor, name), epoch, value);
  }
}

void add_event(RunRecord& record, const ordered_json& event, double& passes) {
  const auto kind = event.value("event", "");
  if (kind == "epoch") {
    record.last_epoch = epoch_of(event);
    add_point(record.loss, static_cast<double>(record.last_epoch), event.at("loss"));
  } else if (kind == "maximize_pass") {
    add_point(record.risk, ++passes, event.at("risk"));
  } else if (kind == "maximize") {
    record.partitions.push_back(partition_of(event));
  } else if (event.contains("factor") && event.contains("epoch")) {
    add_scores(record, kind, event);
  }
}

[[noreturn]] void refuse(const std::filesystem::path& file, int64_t line,
                         const std::exception& error) {
  throw core::UserError(core::cat(file.string(), ":", line,
                                  ": expected an event as src/checkpoint/FORMAT.md describes it, ",
                                  "found another line (", core::first_line(error), ")"));
}

}  // namespace

std::optional<ScoreAt> RunRecord::newest(const std::string& evaluation, const std::string& factor,
                                         const std::string& score) const {
  for (const auto& c : scores) {
    if (c.evaluation == evaluation && c.factor == factor && c.score == score && !c.points.empty())
      return ScoreAt{static_cast<int64_t>(c.points.back().first), c.points.back().second};
  }
  return std::nullopt;
}

std::vector<partition::FactorShare> RunRecord::shared() const {
  std::vector<partition::FactorShare> mean;
  int64_t seen = 0;
  for (const auto& p : partitions) {
    const bool known = std::all_of(p.factors.begin(), p.factors.end(), [](const auto& f) {
      return std::isfinite(f.information + f.entropy + f.share);
    });
    if (p.epoch >= last_epoch || p.factors.empty() || !known) continue;
    if (mean.empty()) {
      for (const auto& factor : p.factors) mean.push_back({factor.name});
    }
    if (p.factors.size() != mean.size()) continue;
    ++seen;
    for (size_t f = 0; f < mean.size(); ++f) {
      mean[f].information += p.factors[f].information;
      mean[f].entropy += p.factors[f].entropy;
      mean[f].share += p.factors[f].share;
    }
  }
  for (auto& factor : mean) {
    const auto n = static_cast<double>(seen);
    factor.information /= n, factor.entropy /= n, factor.share /= n;
  }
  return mean;
}

RunRecord read_run_record(const std::filesystem::path& metrics_jsonl) {
  const auto text = core::read_file(metrics_jsonl, kMostBytes);
  RunRecord record;
  int64_t number = 0;
  double passes = 0;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    if (end == std::string::npos) break;
    ++number;
    const std::string_view line(text.data() + start, end - start);
    start = end + 1;
    if (line.starts_with(R"({"event":"step")")) continue;  // most lines, and not shown
    try {
      add_event(record, ordered_json::parse(line), passes);
    } catch (const ordered_json::exception& error) {
      refuse(metrics_jsonl, number, error);
    } catch (const BadEvent& error) {
      refuse(metrics_jsonl, number, error);
    }
  }
  return record;
}

}  // namespace ipirm::inspect
