// Combines the ranks' means and sums of squares forward, and their sums of gradients backward.
#include "model/synced_batch_norm.h"

#include <torch/csrc/autograd/custom_function.h>

namespace ipirm::model {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::vector<int64_t> all_but_channels(const Tensor& x) {
  return x.dim() == 2 ? std::vector<int64_t>{0} : std::vector<int64_t>{0, 2, 3};
}

// (C) as x has its channels.
Tensor beside(const Tensor& channels, const Tensor& x) {
  return x.dim() == 2 ? channels : channels.view({1, -1, 1, 1});
}

// float32 at least, as statistics need it.
Tensor widened(const Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.to(torch::kFloat32) : x;
}

struct Statistics {
  // (C) mean and sum of squared distances from it; scalar number of values a channel; float64.
  Tensor mean, squares, count;
};

// Of all ranks' rows: each rank's own statistics are gathered and combined (Chan et al. 1979).
Statistics statistics_of(const Tensor& x, dist::Group& group) {
  const int64_t channels = x.size(1);
  const int64_t count = x.numel() / channels;
  auto row = torch::zeros({1, 2 * channels + 1}, x.options().dtype(torch::kFloat64));
  if (count > 0) {
    const auto [variance, mean] = torch::var_mean(widened(x), all_but_channels(x), /*unbiased=*/0);
    row[0].slice(0, 0, channels).copy_(mean);
    row[0].slice(0, channels, 2 * channels).copy_(variance).mul_(count);
    row[0].slice(0, 2 * channels).fill_(count);
  }
  const auto all = group.gather(row);
  const auto means = all.slice(1, 0, channels), counts = all.slice(1, 2 * channels);
  const auto total = counts.sum();
  const auto mean = (means * counts).sum(0) / total;
  const auto between = (means - mean).square() * counts;
  return {mean, (all.slice(1, channels, 2 * channels) + between).sum(0), total};
}

class SyncedBatchNorm : public torch::autograd::Function<SyncedBatchNorm> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const NormParameters* parameters, dist::Group* group) {
    const auto found = statistics_of(x, *group);
    const auto variance = found.squares / found.count;
    const auto type = weight.options();
    const auto mean = found.mean.to(type);
    context->save_for_backward(
        {x, weight, mean, (variance + parameters->eps).rsqrt().to(type), found.count.to(type)});
    context->saved_data["group"] = reinterpret_cast<int64_t>(group);
    const double momentum = parameters->momentum;
    Tensor running_mean = parameters->running_mean, running_var = parameters->running_var;
    running_mean.mul_(1 - momentum).add_(mean, momentum);
    running_var.mul_(1 - momentum).add_((found.squares / (found.count - 1)).to(type), momentum);
    if (x.numel() == 0) return torch::empty_like(x);
    return torch::batch_norm(x, weight, bias, mean, variance.to(type), /*training=*/false, momentum,
                             parameters->eps, /*cudnn_enabled=*/false);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &weight = saved[1], &mean = saved[2], &scale = saved[3], &count = saved[4];
    auto& group = *reinterpret_cast<dist::Group*>(context->saved_data["group"].toInt());
    const auto x = widened(saved[0]), gradient = widened(gradients[0]);
    const auto dims = all_but_channels(x);
    const auto normal = (x - beside(mean, x)) * beside(scale, x);
    const auto own = torch::stack({gradient.sum(dims), (gradient * normal).sum(dims)});
    const auto sums = own.clone();
    group.sum(sums);
    sums.div_(count);
    const auto to_x =
        (gradient - beside(sums[0], x) - normal * beside(sums[1], x)) * beside(scale * weight, x);
    return {to_x.to(gradients[0].scalar_type()), own[1], own[0], Tensor(), Tensor()};
  }
};

}  // namespace

Tensor synced_batch_norm(const Tensor& x, const NormParameters& parameters, dist::Group& group) {
  return SyncedBatchNorm::apply(x, parameters.weight, parameters.bias, &parameters, &group);
}

}  // namespace ipirm::model
