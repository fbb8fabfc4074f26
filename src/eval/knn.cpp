// The weighted kNN vote of METHOD 7, with ties broken by position so that every run and device
// votes alike.
#include "ipirm/eval/knn.h"

#include <algorithm>

#include "eval/ranking.h"

namespace ipirm::eval {
namespace {

constexpr int64_t kBlockElements = int64_t{1} << 23;  // similarities at a time: 32 MB in float32

// exp overflows float32 beyond 88: with a temperature this small the largest vote of each query is
// made 1 instead.
constexpr double kLargestExponent = 80;

// 1 where the similarity is among the row's k highest, of equal ones those that stand first in the
// bank.
torch::Tensor nearest_mask(const torch::Tensor& similarity, const torch::Tensor& lowest,
                           int64_t k) {
  const torch::Tensor above = similarity > lowest;
  const torch::Tensor equal = similarity == lowest;
  const torch::Tensor room = k - above.sum(1, /*keepdim=*/true);
  return above.logical_or_(equal.logical_and(equal.cumsum(1, torch::kInt32) <= room));
}

}  // namespace

torch::Tensor knn_scores(const torch::Tensor& queries, const torch::Tensor& bank,
                         const torch::Tensor& bank_labels, int64_t num_classes,
                         const KnnOptions& options) {
  const int64_t k = std::min(options.k, bank.size(0));
  TORCH_INTERNAL_ASSERT(k >= 1 && options.temperature > 0 && num_classes >= 1);
  const torch::Tensor one_hot = torch::zeros({bank.size(0), num_classes}, bank.options())
                                    .scatter_(1, bank_labels.unsqueeze(1), 1);
  torch::Tensor scores = torch::empty({queries.size(0), num_classes}, queries.options());
  const int64_t block = std::max<int64_t>(1, kBlockElements / bank.size(0));
  for (int64_t start = 0; start < queries.size(0); start += block) {
    const int64_t end = std::min(start + block, queries.size(0));
    torch::Tensor similarity = queries.slice(0, start, end).mm(bank.t());  // (block, N)
    const torch::Tensor highest = std::get<0>(similarity.topk(k, 1));      // (block, k), falling
    const torch::Tensor mask = nearest_mask(similarity, highest.slice(1, k - 1, k), k);
    if (1 / options.temperature > kLargestExponent) similarity -= highest.slice(1, 0, 1);
    const torch::Tensor votes = similarity.div_(options.temperature).exp_().mul_(mask);
    scores.slice(0, start, end).copy_(votes.mm(one_hot));
  }
  return scores;
}

Accuracy as_accuracy(const torch::Tensor& correct, int64_t n) {
  if (n == 0) return {};
  const torch::Tensor percent = (correct * (100.0 / static_cast<double>(n))).cpu();
  return {percent[0].item<double>(), percent[1].item<double>()};
}

Accuracy accuracy(const torch::Tensor& scores, const torch::Tensor& labels) {
  return as_accuracy(count_correct(scores, labels), scores.size(0));
}

}  // namespace ipirm::eval
