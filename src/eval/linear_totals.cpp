// What a classifier reaches on images: sums that stay on the device until they are read.
#include "eval/linear_totals.h"

#include <iomanip>
#include <limits>
#include <sstream>

#include "eval/ranking.h"

namespace ipirm::eval {

LinearTotals::LinearTotals(torch::Device device, int64_t num_values) {
  const auto options = torch::TensorOptions().dtype(torch::kFloat64).device(device);
  sums_ = torch::zeros({4}, options);
  if (num_values > 0) by_class_ = torch::zeros({2, num_values}, options);
}

void LinearTotals::add(const torch::Tensor& mean_loss, const torch::Tensor& logits,
                       const torch::Tensor& labels) {
  const torch::NoGradGuard no_grad;
  const double n = static_cast<double>(labels.size(0));
  sums_[0] += mean_loss.detach() * n;
  sums_.slice(0, 1, 3) += count_correct(logits.detach(), labels);
  sums_[3] += n;
  if (!by_class_.defined()) return;
  const auto classes = torch::arange(by_class_.size(1), labels.options());
  const auto is_of_class = labels.unsqueeze(1).eq(classes);  // (n, C)
  const auto is_hit = label_ranks(logits.detach(), labels).lt(1).unsqueeze(1);
  by_class_[0] += is_of_class.logical_and(is_hit).sum(0);
  by_class_[1] += is_of_class.sum(0);
}

void LinearTotals::sum(dist::Group& group) {
  group.sum(sums_);
  if (by_class_.defined()) group.sum(by_class_);
}

LinearTotals::Means LinearTotals::read() const {
  const bool by_class = by_class_.defined();
  // One copy, since each is waited for.
  const torch::Tensor all = (by_class ? torch::cat({sums_, by_class_.flatten()}) : sums_).cpu();
  const torch::Tensor means = all.slice(0, 0, 4) / all[3];
  double class_top1 = std::numeric_limits<double>::quiet_NaN();
  if (by_class) {
    const torch::Tensor counts = all.slice(0, 4).view({2, -1});
    class_top1 = 100 * (counts[0] / counts[1]).nanmean().item<double>();  // NaN: no such image
  }
  return {means[0].item<double>(), 100 * means[1].item<double>(), 100 * means[2].item<double>(),
          class_top1};
}

std::string words(const LinearTotals& totals) {
  const auto means = totals.read();
  std::ostringstream text;
  text << std::fixed << "loss " << std::setprecision(4) << means.loss << ", acc@1 "
       << std::setprecision(2) << means.top1;
  return text.str();
}

}  // namespace ipirm::eval
