// Interrupts and saves: decided together, by one small exchange a step that nobody waits for.
#pragma once

#include <torch/types.h>

#include <memory>

namespace ipirm::dist {

class Group;
class Pending;

// A rank's wishes go out with each call of stop() and are known to all at the next one, which finds
// the answer there. Every rank makes the same calls in the same order. One process decides at once.
class Agreement {
 public:
  explicit Agreement(Group& group) : group_(group) {}
  ~Agreement();

  // Whether the work ends here: any rank has been core::interrupted(). Once true it stays so.
  bool stop();
  // Whether a state is saved now, here and in every rank. due: rank 0's clock says so; the others'
  // does not count.
  bool save(bool due);
  // Waits for the exchange under way; before the group ends. Throws LostError.
  void finish();

 private:
  void read_answer();

  Group& group_;
  // (stop, save): how many ranks want it; while `pending_` runs it belongs to that.
  torch::Tensor wishes_;
  std::unique_ptr<Pending> pending_;
  bool stop_ = false, save_ = false, wants_save_ = false;
  // The wish under way was granted already.
  bool is_granted_ = false;
};

}  // namespace ipirm::dist
