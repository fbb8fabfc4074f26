// The operators' schemas (METHOD 11): torch.ops.ipirm.* after torch.ops.load_library. Their
// implementations are registered beside the checks, in OPERATOR.cpp, by the convention of
// dispatch.h.
//
// Adam is no operator: it is a class over ATen's own _fused_adam_, which is dispatched already.
#include <torch/library.h>

#include "ops/inputs.h"
#include "ops/team_class.h"

namespace ipirm::ops {

TORCH_LIBRARY(ipirm, m) {
  know_teams();
  m.def(
      "partition_risk(Tensor z1, Tensor z2, Tensor weights, float temperature, "
      "float irm_temperature, float irm_weight, bool nonorm=False, Tensor? index=None) -> "
      "(Tensor contrastive, Tensor penalty, Tensor grad)");
  m.def(
      "partition_risk_mixup(Tensor z1, Tensor z2, Tensor weights, Tensor lam, Tensor? partner, "
      "float temperature, float irm_weight, bool nonorm=False) -> "
      "(Tensor contrastive, Tensor penalty, Tensor grad)");
  m.def(
      "environment_loss(Tensor z1, Tensor z2, Tensor environment, int num_env, "
      "float temperature, float irm_temperature) -> (Tensor contrastive, Tensor penalty)");
  // The two risks computed by several together (team.h).
  m.def(
      "_shared_partition_risk(Tensor z1, Tensor z2, Tensor weights, float temperature, "
      "float irm_temperature, float irm_weight, bool nonorm, Tensor? index, "
      "__torch__.torch.classes.ipirm.Team team) -> "
      "(Tensor contrastive, Tensor penalty, Tensor grad)");
  m.def(
      "_shared_partition_risk_mixup(Tensor z1, Tensor z2, Tensor weights, Tensor lam, "
      "Tensor? partner, float temperature, float irm_weight, bool nonorm, "
      "__torch__.torch.classes.ipirm.Team team) -> "
      "(Tensor contrastive, Tensor penalty, Tensor grad)");
  // The two passes of environment_loss below autograd. `state` is what the forward pass hands to
  // the backward one (environment_state.h).
  m.def(
      "_environment_loss_forward(Tensor z1, Tensor z2, Tensor environment, int num_env, "
      "float temperature, float irm_temperature) -> "
      "(Tensor contrastive, Tensor penalty, Tensor state)");
  m.def(
      "_environment_loss_backward(Tensor grad_contrastive, Tensor grad_penalty, Tensor z1, "
      "Tensor z2, Tensor environment, Tensor state, int num_env, float temperature, "
      "float irm_temperature) -> (Tensor grad_z1, Tensor grad_z2)");
  m.def("set_norm_warning(bool enabled) -> ()", set_norm_warning);
}

}  // namespace ipirm::ops
