// The schedule of the penalty's weight.
#include "ipirm/train/plan.h"

namespace ipirm::train {

double Plan::penalty_weight(int64_t epoch) const {
  if (epoch < options_.penalty_iters) return 0;
  if (!options_.increasing_weight || options_.epochs == 1) return options_.penalty_weight;
  return options_.penalty_weight * static_cast<double>(epoch - 1) /
         static_cast<double>(options_.epochs - 1);
}

}  // namespace ipirm::train
