// Reads metrics.jsonl line by line.
#include "ipirm/inspect/run_record.h"

#include <nlohmann/json.hpp>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::inspect {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kMostBytes = uint64_t{1} << 30;  // a line is some 300 bytes, a step a line

ScoreCurve& curve(RunRecord& record, const std::string& evaluation, const std::string& factor,
                  const std::string& score) {
  for (auto& c : record.scores) {
    if (c.evaluation == evaluation && c.factor == factor && c.score == score) return c;
  }
  return record.scores.emplace_back(ScoreCurve{evaluation, factor, score, {}});
}

PartitionRecord partition_of(const ordered_json& event) {
  PartitionRecord result;
  result.epoch = event.at("epoch").get<int64_t>();
  result.source = event.value("source", "");
  result.sizes = event.at("sizes").get<std::vector<int64_t>>();
  result.certainty = event.at("certainty").get<double>();
  if (event.contains("overlap")) result.overlap = event["overlap"].get<double>();
  if (!event.contains("factors")) return result;
  for (const auto& [name, share] : event["factors"].items()) {
    result.factors.push_back({name, share.at("information").get<double>(),
                              share.at("entropy").get<double>(), share.at("share").get<double>()});
  }
  return result;
}

// Every number of an evaluation's event but its epoch is a score of its factor.
void add_scores(RunRecord& record, const std::string& evaluation, const ordered_json& event) {
  const auto factor = event.at("factor").get<std::string>();
  const auto epoch = event.at("epoch").get<double>();
  for (const auto& [name, value] : event.items()) {
    if (name == "epoch" || !value.is_number()) continue;
    curve(record, evaluation, factor, name).points.emplace_back(epoch, value.get<double>());
  }
}

void add_event(RunRecord& record, const ordered_json& event) {
  const auto kind = event.value("event", "");
  if (kind == "epoch") {
    record.last_epoch = event.at("epoch").get<int64_t>();
    record.loss.emplace_back(event.at("epoch").get<double>(), event.at("loss").get<double>());
  } else if (kind == "maximize_pass") {
    record.risk.emplace_back(static_cast<double>(record.risk.size() + 1),
                             event.at("risk").get<double>());
  } else if (kind == "maximize") {
    record.partitions.push_back(partition_of(event));
  } else if (event.contains("factor") && event.contains("epoch")) {
    add_scores(record, kind, event);
  }
}

}  // namespace

std::optional<double> RunRecord::newest(const std::string& evaluation, const std::string& factor,
                                        const std::string& score) const {
  for (const auto& c : scores) {
    if (c.evaluation == evaluation && c.factor == factor && c.score == score && !c.points.empty())
      return c.points.back().second;
  }
  return std::nullopt;
}

std::vector<partition::FactorShare> RunRecord::shared() const {
  std::vector<partition::FactorShare> mean;
  int64_t seen = 0;
  for (const auto& p : partitions) {
    if (p.epoch >= last_epoch || p.factors.empty()) continue;
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
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    if (end == std::string::npos) break;
    ++number;
    const std::string_view line(text.data() + start, end - start);
    start = end + 1;
    if (line.starts_with(R"({"event":"step")")) continue;  // most lines, and not shown
    try {
      add_event(record, ordered_json::parse(line));
    } catch (const ordered_json::exception& error) {
      throw core::UserError(core::cat(metrics_jsonl.string(), ":", number,
                                      ": expected an event as src/checkpoint/FORMAT.md describes ",
                                      "it, found another line (", core::first_line(error), ")"));
    }
  }
  return record;
}

}  // namespace ipirm::inspect
