// Sums the ranks' wishes beside what they do next.
#include "ipirm/dist/agreement.h"

#include "ipirm/core/interrupt.h"
#include "ipirm/dist/group.h"

namespace ipirm::dist {

Agreement::~Agreement() = default;

void Agreement::read_answer() {
  if (!pending_) return;
  const auto pending = std::move(pending_);
  pending->wait();
  const auto* wants = wishes_.const_data_ptr<int64_t>();
  stop_ = stop_ || wants[0] > 0;
  save_ = save_ || (wants[1] > 0 && !is_granted_);
  is_granted_ = false;
}

bool Agreement::stop() {
  if (group_.is_alone()) return core::interrupted();
  if (stop_) return true;
  read_answer();
  if (stop_) return true;
  wishes_ = torch::tensor({int64_t{core::interrupted()}, int64_t{wants_save_}}, torch::kInt64);
  pending_ = group_.start_sum(wishes_);
  return false;
}

bool Agreement::save(bool due) {
  if (group_.is_alone()) return due;
  wants_save_ = due && group_.is_first();
  if (!save_) return false;
  save_ = false;
  wants_save_ = false;
  is_granted_ = true;
  return true;
}

void Agreement::finish() { read_answer(); }

}  // namespace ipirm::dist
