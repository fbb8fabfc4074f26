// Puts records into events.
#include "ipirm/observe/tensorboard.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>

#include "ipirm/core/device_memory.h"
#include "ipirm/core/error.h"
#include "ipirm/core/process.h"
#include "ipirm/inspect/partition_view.h"
#include "observe/events.h"

namespace ipirm::observe {
namespace {

constexpr double kMegabyte = 1e6;
constexpr int64_t kSheetImages = 64;  // an environment
constexpr size_t kMostSheets = 64;    // a partition: of more environments the first are shown

Moment now(int64_t step) {
  const std::chrono::duration<double> time = std::chrono::system_clock::now().time_since_epoch();
  return {.wall_time = time.count(), .step = step};
}

// With `group` and a slash before each name.
core::NamedValues under(const std::string& group, const core::NamedValues& values) {
  core::NamedValues named;
  for (const auto& [name, value] : values) named.push_back({group + "/" + name, value});
  return named;
}

}  // namespace

void TensorBoard::step(const train::StepRecord& r) {
  auto values = under("step", r.terms);
  values.push_back({"step/penalty_weight", r.penalty_weight});
  values.push_back({"step/lr", r.lr});
  if (r.seconds > 0) {
    values.push_back(
        {"step/samples_per_second", static_cast<double>(options_.batch_size) / r.seconds});
  }
  if (r.log_due) {
    values.push_back({"step/memory_MB", static_cast<double>(core::resident_bytes()) / kMegabyte});
    if (const auto held = core::held_bytes(options_.device))
      values.push_back({"step/device_memory_MB", held->now / kMegabyte});
  }
  sink_(scalars_event(now(r.step), values));
}

void TensorBoard::epoch(const train::EpochRecord& r) {
  sink_(scalars_event(now(r.epoch), {{"epoch/loss", r.mean_loss},
                                     {"epoch/seconds", r.seconds},
                                     {"epoch/samples_per_second", r.samples_per_second}}));
}

void TensorBoard::maximize_pass(const train::MaximizePassRecord& r) {
  char group[32];
  std::snprintf(group, sizeof group, "search_%04lld", static_cast<long long>(r.epoch));
  sink_(scalars_event(now(r.pass.pass), under(group, {{"risk", r.pass.risk},
                                                      {"best_risk", r.pass.best_risk},
                                                      {"contrastive", r.pass.contrastive},
                                                      {"invariance", r.pass.invariance},
                                                      {"balance", r.pass.balance},
                                                      {"lr", r.pass.lr}})));
}

void TensorBoard::maximize(const train::MaximizeRecord& r) {
  core::NamedValues values;
  if (r.result.passes > 0) {
    values = {{"partition/risk", r.result.best_risk},
              {"partition/passes", static_cast<double>(r.result.passes)}};
  }
  for (size_t e = 0; e < r.sizes.size(); ++e) {
    values.push_back(
        {core::cat("partition_size/environment_", e), static_cast<double>(r.sizes[e])});
  }
  values.push_back({"partition/certainty", r.judgement.certainty});
  if (r.judgement.overlap) values.push_back({"partition/overlap", *r.judgement.overlap});
  for (const auto& factor : r.judgement.factors) {
    values.push_back({"partition_shares/" + factor.name + "_nats", factor.information});
    values.push_back({"partition_shares/" + factor.name, factor.share});
  }
  values.push_back({"partition/seconds", r.seconds});
  sink_(scalars_event(now(r.epoch), values));
  if (!options_.set) return;
  const auto chosen = inspect::choose_images(r.result.logits, kSheetImages);
  for (size_t e = 0; e < std::min(chosen.size(), kMostSheets); ++e) {
    if (chosen[e].size == 0) continue;
    const auto sheet = inspect::contact_sheet(*options_.set, chosen[e]);
    const auto png = sheet.png();
    sink_(image_event(now(r.epoch), core::cat("partition_sheets/environment_", e),
                      {sheet.height(), sheet.width(), {png.begin(), png.end()}}));
  }
}

void TensorBoard::evaluation(const train::EvaluationRecord& r) {
  sink_(scalars_event(now(r.epoch), under(r.evaluation + "/" + r.scores.factor, r.scores.scores)));
}

std::string settings_event(const std::string& yaml) {
  std::istringstream lines(yaml);
  std::string table;
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("#") || line.empty()) {
      in_table = false;
      if (line.starts_with("# ")) table += "\n" + line.substr(2) + "\n";
      continue;
    }
    if (colon == std::string::npos) continue;
    if (!in_table) table += "\n| setting | value |\n|---|---|\n";
    in_table = true;
    table += "| " + line.substr(0, colon) + " | `" + line.substr(colon + 2) + "` |\n";
  }
  return text_event(now(0), "settings", table);
}

}  // namespace ipirm::observe
