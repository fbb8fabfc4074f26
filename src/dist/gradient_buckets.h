// Gradients packed into buckets, each of which is summed over the ranks by one collective.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ipirm/dist/group.h"

namespace ipirm::dist {

// Some gradients, by their numbers in a list, and their sum while it is under way.
struct Bucket {
  std::vector<size_t> members;
  torch::Tensor flat;
  std::unique_ptr<Pending> pending;
};

// Shares out the gradients of tensors of these types and sizes, taken in the order `numbers`: those
// that follow one another and have one type share a bucket until it holds bucket_bytes.
std::vector<Bucket> make_buckets(const std::vector<torch::Tensor>& tensors,
                                 const std::vector<size_t>& numbers, int64_t bucket_bytes);

// Packs the bucket's members of `gradients` and starts their sum. Throws LostError.
void start_bucket(Group& group, Bucket& bucket, const std::vector<torch::Tensor>& gradients);

// Waits for the sum and puts it in the place of the members' gradients, whose memory formats it
// keeps. Throws LostError.
void finish_bucket(Bucket& bucket, std::vector<torch::Tensor>& gradients);

}  // namespace ipirm::dist
