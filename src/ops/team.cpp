// Tells PyTorch's dispatcher of teams.
#include "ipirm/ops/team.h"

#include <torch/custom_class.h>

#include "ops/team_class.h"

namespace ipirm::ops {

void know_teams() { static const torch::class_<Team> known("ipirm", "Team"); }

}  // namespace ipirm::ops
