// The implementations of the two risks, among which their registrations choose.
#pragma once

#include "ipirm/ops/partition_risk.h"
#include "ipirm/ops/partition_risk_mixup.h"

namespace ipirm::ops {

using PartitionRisk = decltype(partition_risk);
using PartitionRiskMixup = decltype(partition_risk_mixup);
using SharedPartitionRisk = decltype(shared_partition_risk);
using SharedPartitionRiskMixup = decltype(shared_partition_risk_mixup);

// All take arguments that the operator has checked, of one dtype (float32 or float64), and are
// called where no graph is recorded. The shared ones take a team, or null for one who is alone.

// Closed forms with ATen operations, on any device and without host synchronisation: the path of
// devices without kernels of their own, and what faster kernels are compared with.
namespace aten {
PartitionRisk partition_risk;
PartitionRiskMixup partition_risk_mixup;
SharedPartitionRisk shared_partition_risk;
SharedPartitionRiskMixup shared_partition_risk_mixup;
}  // namespace aten

// Kernels of the CPU by tiles: no matrix over all pairs, all environments at once.
namespace fused {
SharedPartitionRisk shared_partition_risk;
SharedPartitionRiskMixup shared_partition_risk_mixup;
}  // namespace fused

}  // namespace ipirm::ops
