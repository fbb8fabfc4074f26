// The processes of a run as the team that makes a search together.
#pragma once

#include <memory>

#include "ipirm/dist/group.h"
#include "ipirm/ops/team.h"

namespace ipirm::train {

// Each rank computes its share of the pairs of a batch; sums over pairs are those of all ranks.
// Null for a group of one.
ops::TeamPointer team_of(const std::shared_ptr<dist::Group>& group);

}  // namespace ipirm::train
