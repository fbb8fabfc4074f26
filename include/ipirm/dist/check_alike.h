// Whether all processes do the same work: asked once, before the first step.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ipirm/dist/group.h"

namespace ipirm::dist {

// What must be alike in all ranks: a name ("settings") and lines of text.
using Facts = std::vector<std::pair<std::string, std::string>>;

// Throws UserError, in every rank the same, where a rank's text differs from rank 0's: it names the
// rank, the fact and the first line that differs in both. Throws LostError.
void check_alike(Group& group, const Facts& facts);

// Throws std::runtime_error, in every rank the same, where a rank's tensor has other bits than rank
// 0's: what each computes by itself must not drift apart. what: "the logits after pass 3". Waits
// for the device. Throws LostError.
void check_same(Group& group, const torch::Tensor& tensor, const std::string& what);

// A hash of this program's own file, which tells one build from another.
std::string build_text();
// A hash of a tensor's shape and bits.
std::string content_text(const torch::Tensor& tensor);

}  // namespace ipirm::dist
