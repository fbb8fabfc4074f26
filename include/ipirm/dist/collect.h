// Collectives on what training works with: rows with a gradient, gradients, tensors of a network.
#pragma once

#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "ipirm/dist/group.h"
#include "ipirm/dist/share.h"

namespace ipirm::dist {

// All rows (n, ...) of a batch, in the batch's order, where this rank has `own`, its share of them.
// Differentiable: every rank computes the same function of all rows, and the gradient of its own
// rows flows back to it, so that the ranks' gradients of parameters are to be summed. Of one
// process: own itself. Throws LostError.
torch::Tensor gather_rows(Group& group, const torch::Tensor& own, const Shares& shares);

// Replaces each gradient by its sum over the ranks, whose gradients have the same shapes and memory
// formats. In buckets of about 25 MB, all under way at once; GradientSum does the same during a
// backward pass. Throws LostError.
void sum_gradients(Group& group, std::vector<torch::Tensor>& gradients);

// Replaces the tensors by rank 0's, which have the same shapes and types. Throws LostError.
void broadcast(Group& group, const std::vector<torch::Tensor>& tensors);

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// Rank 0's tensors, on the CPU for the others, which need not know their names and shapes. Throws
// LostError.
NamedTensors from_first(Group& group, const NamedTensors& tensors);

}  // namespace ipirm::dist
