// Settings of the minimization losses (SPEC 4, 6, 7).
#pragma once

#include <cstdint>
#include <string>

namespace ipirm::loss {

// MixUp of the first views (SPEC 6).
struct MixupOptions {
  bool on = false;
  double alpha = 1.0;         // shares are drawn from Beta(alpha, alpha), > 0
  std::string mode = "full";  // each environment's views are mixed anew; there is no other
};

struct LossOptions {
  double temperature = 0.5;      // T, > 0
  double irm_temperature = 0.5;  // T', of the penalty, > 0
  int64_t num_env = 2;           // K, environments, >= 2
  bool keep_cont = false;        // add the contrastive loss of the whole batch
  bool baseline = false;         // contrastive loss alone, no environments
  bool debiased = false;         // the debiased form of the baseline
  double tau_plus = 0.1;         // positive class prior of the debiased form, [0, 1)
  MixupOptions mixup;
};

}  // namespace ipirm::loss
