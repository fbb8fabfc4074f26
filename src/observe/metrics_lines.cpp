// Puts records into JSON.
#include "ipirm/observe/metrics_lines.h"

#include <nlohmann/json.hpp>

namespace ipirm::observe {

using nlohmann::ordered_json;

namespace {

void append(ordered_json& event, const core::NamedValues& values) {
  for (const auto& [name, value] : values) event[name] = value;
}

}  // namespace

void MetricsLines::step(const train::StepRecord& r) {
  ordered_json event = {{"event", "step"}, {"epoch", r.epoch}, {"step", r.step}};
  append(event, r.terms);
  event["penalty_weight"] = r.penalty_weight;
  event["lr"] = r.lr;
  event["seconds"] = r.seconds;
  sink_(event.dump());
}

void MetricsLines::epoch(const train::EpochRecord& r) {
  sink_(ordered_json({{"event", "epoch"},
                      {"epoch", r.epoch},
                      {"loss", r.mean_loss},
                      {"seconds", r.seconds},
                      {"samples_per_second", r.samples_per_second}})
            .dump());
}

void MetricsLines::maximize_pass(const train::MaximizePassRecord& r) {
  sink_(ordered_json({{"event", "maximize_pass"},
                      {"epoch", r.epoch},
                      {"pass", r.pass.pass},
                      {"risk", r.pass.risk},
                      {"contrastive", r.pass.contrastive},
                      {"invariance", r.pass.invariance},
                      {"balance", r.pass.balance},
                      {"best_risk", r.pass.best_risk},
                      {"lr", r.pass.lr}})
            .dump());
}

void MetricsLines::maximize(const train::MaximizeRecord& r) {
  ordered_json event = {{"event", "maximize"}, {"epoch", r.epoch}, {"source", r.source}};
  if (r.result.passes > 0) {
    event["passes"] = r.result.passes;
    event["best_pass"] = r.result.best_pass;
    event["risk"] = r.result.best_risk;
  }
  event["sizes"] = r.sizes;
  event["certainty"] = r.judgement.certainty;
  if (r.judgement.overlap) event["overlap"] = *r.judgement.overlap;
  for (const auto& factor : r.judgement.factors) {
    event["factors"][factor.name] = {
        {"information", factor.information}, {"entropy", factor.entropy}, {"share", factor.share}};
  }
  event["seconds"] = r.seconds;
  sink_(event.dump());
}

void MetricsLines::evaluation(const train::EvaluationRecord& r) {
  ordered_json event = {{"event", r.evaluation}, {"epoch", r.epoch}, {"factor", r.scores.factor}};
  append(event, r.scores.scores);
  sink_(event.dump());
}

}  // namespace ipirm::observe
