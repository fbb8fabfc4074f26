// Puts a maximization into JSON and into words.
#include "ipirm/train/maximize_events.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "ipirm/core/error.h"

namespace ipirm::train {

using nlohmann::ordered_json;

std::string maximize_pass_event(int64_t epoch, const partition::PassReport& p) {
  return ordered_json({{"event", "maximize_pass"},
                       {"epoch", epoch},
                       {"pass", p.pass},
                       {"risk", p.risk},
                       {"contrastive", p.contrastive},
                       {"invariance", p.invariance},
                       {"balance", p.balance},
                       {"best_risk", p.best_risk},
                       {"lr", p.lr}})
      .dump();
}

std::string maximize_event(int64_t epoch, const partition::Maximization& result,
                           const std::vector<int64_t>& sizes, double seconds) {
  return ordered_json({{"event", "maximize"},
                       {"epoch", epoch},
                       {"passes", result.passes},
                       {"best_pass", result.best_pass},
                       {"risk", result.best_risk},
                       {"sizes", sizes},
                       {"seconds", seconds}})
      .dump();
}

std::string first_risk_line(const partition::PassReport& first) {
  char line[120];
  std::snprintf(line, sizeof line, "Initial Risk: %.4f  Cont_Risk: %.4f  Inv_Risk: %.4f",
                first.risk, -first.contrastive, -first.invariance);
  return line;
}

std::vector<std::string> outcome_lines(const partition::Maximization& result,
                                       const std::vector<int64_t>& sizes) {
  char line[120];
  std::snprintf(line, sizeof line, "Loss not down. Break down training.  Epoch: %lld  Loss: %.4f",
                static_cast<long long>(result.best_pass), result.best_risk);
  std::string groups = "Debug:";
  for (size_t e = 0; e < sizes.size(); ++e) groups += core::cat("  group", e + 1, " ", sizes[e]);
  return {line, groups};
}

std::string maximize_summary(const partition::Maximization& result,
                             const std::vector<int64_t>& sizes) {
  char risk[32];
  std::snprintf(risk, sizeof risk, "%.4f", result.best_risk);
  std::string list;
  for (const int64_t size : sizes) list += core::cat(list.empty() ? "" : " + ", size);
  return core::cat("risk ", risk, " (pass ", result.best_pass, " of ", result.passes,
                   ")  environments ", list);
}

}  // namespace ipirm::train
