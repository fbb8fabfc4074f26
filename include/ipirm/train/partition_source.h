// Where the partitions of a run come from: the search, or whatever else is put in its place.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "ipirm/partition/maximizer.h"
#include "ipirm/partition/options.h"
#include "ipirm/train/run_state.h"
#include "ipirm/train/views.h"

namespace ipirm::train {

class PartitionSource {
 public:
  virtual ~PartitionSource() = default;
  // The partition that is due after `epoch` (0: before the first), of logits (N, K). Nothing once
  // core::interrupted(), which ends the work early: state.search then holds how far it came, and
  // the next call goes on from there. after_pass is told of each whole pass. Throws NotFiniteError.
  virtual std::optional<partition::Maximization> partition(
      RunState& state, int64_t epoch,
      const std::function<void(const partition::PassReport&)>& after_pass) = 0;
};

// The search of METHOD 5 on features of the newest network.
// chunk: samples a forward pass; bf16: the network runs under autocast to bfloat16.
std::unique_ptr<PartitionSource> make_search(const partition::MaximizeOptions& options,
                                             ViewSource views, int64_t chunk, bool bf16);

}  // namespace ipirm::train
