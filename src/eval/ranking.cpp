// The place of the true label among a query's class scores.
#include "eval/ranking.h"

#include <algorithm>

namespace ipirm::eval {

torch::Tensor label_ranks(const torch::Tensor& scores, const torch::Tensor& labels) {
  const torch::Tensor column = labels.unsqueeze(1);    // (Q, 1)
  const torch::Tensor own = scores.gather(1, column);  // (Q, 1)
  const torch::Tensor classes = torch::arange(scores.size(1), labels.options());
  // Written as "not behind", so that a NaN, which compares false with everything, never counts as a
  // hit.
  const torch::Tensor ahead =
      torch::where(classes < column, own.gt(scores).logical_not(), own.ge(scores).logical_not());
  return ahead.sum(1);
}

torch::Tensor count_correct(const torch::Tensor& scores, const torch::Tensor& labels) {
  const torch::Tensor ranks = label_ranks(scores, labels);
  const int64_t five = std::min<int64_t>(5, scores.size(1));
  return torch::stack({(ranks < 1).sum(), (ranks < five).sum()}).to(torch::kFloat64);
}

}  // namespace ipirm::eval
