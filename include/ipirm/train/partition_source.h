// Where the partitions of a run come from: the search, or a control in its place (METHOD 5).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

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

// A partition drawn anew at each call, or always the one by a known factor of the set; both have
// the sizes that `options` asks for, and neither makes a pass. Throws UserError where the set has
// no such factor, naming those that it has.
std::unique_ptr<PartitionSource> make_random_source(const partition::MaximizeOptions& options,
                                                    const data::ImageSet& set);
std::unique_ptr<PartitionSource> make_factor_source(const std::string& factor,
                                                    const partition::MaximizeOptions& options,
                                                    const data::ImageSet& set);

}  // namespace ipirm::train
