// Logistic regression to convergence on features of the network: by L-BFGS in float64.
#include "eval/linear_minimum.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <torch/optim/lbfgs.h>

#include <algorithm>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/dist/check_alike.h"

namespace ipirm::eval {
namespace {

constexpr int64_t kStepsARound = 10;  // between two questions whether to stop
constexpr int64_t kMostRounds = 200;
constexpr int64_t kRemembered = 20;  // steps whose curvature L-BFGS keeps
// A derivative that counts as 0: the loss of a class that is told by chance has about .1.
constexpr double kFlat = 1e-7;
// A feature that varies by less, as a share of its mean, varies by rounding alone.
constexpr double kRounding = 1e-7;

}  // namespace

LinearProblem::LinearProblem(const torch::Tensor& h, const torch::Tensor& labels,
                             int64_t num_values, int64_t total, dist::Group& group)
    : group_(group), num_values_(num_values), total_(total) {
  const torch::NoGradGuard no_grad;
  x_ = h.to(torch::kFloat64, /*non_blocking=*/false, /*copy=*/true);
  mean_ = x_.sum(0) / static_cast<double>(total);
  group_.sum(mean_);
  x_ -= mean_;  // changes nothing in the minimum, since the bias is free
  variance_ = at::linalg_vector_norm(x_, 2, 0).square() / static_cast<double>(total);
  group_.sum(variance_);
  const torch::Tensor varies = variance_.sqrt() > kRounding * mean_.abs();
  variance_ *= varies;
  x_ *= varies;
  const auto classes = torch::arange(num_values, labels.options());
  is_of_class_ = labels.unsqueeze(1).eq(classes).to(torch::kFloat64);
}

// Where all classes are equally probable, the second derivative of the cross-entropy by a weight is
// the feature's variance times p (1 - p). Features differ much in how they vary, and the penalty's
// part does not: with weights that are not scaled so, L-BFGS may take 2,000 steps without an end.
torch::Tensor LinearProblem::scale_for(double weight_decay) const {
  const double p = 1 / static_cast<double>(num_values_);
  const torch::Tensor scale = (variance_ * (p * (1 - p)) + weight_decay).sqrt();
  return torch::where(scale > 0, scale, torch::ones_like(scale));
}

LinearProblem::Value LinearProblem::evaluate(const torch::Tensor& weight, const torch::Tensor& bias,
                                             const torch::Tensor& scale,
                                             double weight_decay) const {
  const torch::Tensor of_h = weight / scale;  // the weight of h itself
  const torch::Tensor log_p = torch::addmm(bias, x_, of_h.t()).log_softmax(1);  // (n, C)
  const torch::Tensor by_logit = (log_p.exp() - is_of_class_) / static_cast<double>(total_);
  torch::Tensor by_weight = by_logit.t().mm(x_).contiguous(), by_bias = by_logit.sum(0);
  const torch::Tensor loss = -(log_p * is_of_class_).sum() / static_cast<double>(total_);
  for (const torch::Tensor& sum : {by_weight, by_bias, loss}) group_.sum(sum);
  by_weight = (by_weight + weight_decay * of_h) / scale;
  return {loss.item<double>() + weight_decay / 2 * of_h.square().sum().item<double>(), by_weight,
          by_bias};
}

std::optional<LinearMinimum> LinearProblem::minimize(double weight_decay,
                                                     const std::string& label) const {
  // L-BFGS sees the sum over the samples: it forgets curvature that is below 1e-10.
  const auto samples = static_cast<double>(total_);
  const torch::Tensor scale = scale_for(weight_decay);
  torch::Tensor weight = torch::zeros({num_values_, x_.size(1)}, x_.options());
  torch::Tensor bias = torch::zeros({num_values_}, x_.options());
  torch::optim::LBFGS lbfgs({weight, bias}, torch::optim::LBFGSOptions(1)
                                                .max_iter(kStepsARound)
                                                .history_size(kRemembered)
                                                .tolerance_grad(kFlat * samples)
                                                .tolerance_change(0)
                                                .line_search_fn("strong_wolfe"));
  LinearMinimum found;
  const auto closure = [&] {
    const torch::NoGradGuard no_grad;
    const Value value = evaluate(weight, bias, scale, weight_decay);
    weight.mutable_grad() = samples * value.by_weight;
    bias.mutable_grad() = samples * value.by_bias;
    ++found.evaluations;
    return torch::tensor(samples * value.loss, torch::kFloat64);
  };
  core::Progress progress(core::cat("L-BFGS, ", label, ", weight decay ", weight_decay),
                          kMostRounds * kStepsARound, "steps at most");
  for (int64_t round = 0; round < kMostRounds; ++round) {
    if (group_.agreement().stop()) return std::nullopt;
    lbfgs.step(closure);
    // Each rank has made the steps by itself, from the same sums.
    dist::check_same(group_, weight, "the weights of L-BFGS");
    const torch::NoGradGuard no_grad;
    const Value now = evaluate(weight, bias, scale, weight_decay);
    found.loss = now.loss;
    found.slope =
        std::max(now.by_weight.abs().max().item<double>(), now.by_bias.abs().max().item<double>());
    if (found.slope <= kFlat) break;
    progress.update((round + 1) * kStepsARound, core::cat("steepest derivative ", found.slope));
  }
  if (!(found.slope <= kFlat)) {
    core::log_warning(core::cat(label, ", weight decay ", weight_decay, ": L-BFGS has taken ",
                                kMostRounds * kStepsARound,
                                " steps and the steepest derivative is ", found.slope, ", not ",
                                kFlat, "; a larger --weight_decay converges sooner"));
  }
  const torch::NoGradGuard no_grad;
  found.weight = weight / scale;
  found.bias = bias - found.weight.mv(mean_);
  return found;
}

}  // namespace ipirm::eval
