// Settings of the minimization losses (METHOD 4, 6, 7).
#pragma once

#include <cstdint>

#include "ipirm/core/names.h"

namespace ipirm::loss {

// How the environments' views are mixed in the minimization.
enum class MixupMode {
  kFull  // each environment's anew, among themselves; the reference's other modes are not here
};

// MixUp of the first views (METHOD 6).
struct MixupOptions {
  bool on = false;
  double alpha = 1.0;  // shares are drawn from Beta(alpha, alpha), > 0
  MixupMode mode = MixupMode::kFull;
};

// What a partition's environments are penalised by.
enum class Penalty {
  // The squared gradient of each one's loss (METHOD 4): the method's.
  kIrm,
  // The unbiased variance of their losses (Krueger et al. 2021, "Out-of-Distribution Generalization
  // via Risk Extrapolation").
  kVrex
};

struct LossOptions {
  Penalty penalty = Penalty::kIrm;
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

template <>
struct ipirm::core::NamesOf<ipirm::loss::MixupMode> {
  static constexpr Named<ipirm::loss::MixupMode> kNames[] = {
      {ipirm::loss::MixupMode::kFull, "full"}};
};

template <>
struct ipirm::core::NamesOf<ipirm::loss::Penalty> {
  static constexpr Named<ipirm::loss::Penalty> kNames[] = {{ipirm::loss::Penalty::kIrm, "irm"},
                                                           {ipirm::loss::Penalty::kVrex, "vrex"}};
};
