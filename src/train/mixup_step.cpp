// The minimization step under MixUp.
#include "ipirm/train/mixup_step.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "ipirm/model/autocast.h"

namespace ipirm::train {

loss::Terms mixup_step(model::Model& model, ops::Adam& adam, const torch::Tensor& view1,
                       const torch::Tensor& view2, const torch::Tensor& environment,
                       double penalty_weight, const loss::LossOptions& options, bool retain,
                       const loss::MixKey& key, bool bf16) {
  model->train();
  const auto& first = adam.parameters().front();
  const auto embed = [&](const torch::Tensor& images) {
    const model::Autocast autocast(images.device(), bf16);
    return model->forward(images).projection.to(first.scalar_type());  // the loss is not bf16
  };
  const auto back_propagate = [](const torch::Tensor& loss) {  // frees the loss's graph
    if (loss.requires_grad()) torch::autograd::backward({loss});
  };
  const auto zero = [&] { return torch::zeros({}, first.options()); };
  loss::Terms out{zero(), zero(), zero(), zero()};

  const bool one_sum = !options.baseline && !retain, whole = options.baseline || options.keep_cont;
  torch::Tensor z2, batch;
  {
    // The mixed view goes first, and both go also where their loss does not count: BatchNorm's
    // running statistics depend on it.
    const auto mix = loss::draw_mix(key.of_batch(), view1.size(0), options.mixup.alpha);
    torch::Tensor z1;
    {
      const at::AutoGradMode graph(whole);
      z1 = embed(loss::mix_images(view1, mix));
    }
    const at::AutoGradMode graph(whole || one_sum);
    z2 = embed(view2);
    if (whole) batch = loss::mixed_terms(z1, z2, mix, options.temperature).contrastive;
  }
  if (whole) (options.baseline ? out.contrastive : out.batch).copy_(batch.detach());
  if (whole && !one_sum) {
    back_propagate(batch);
    out.loss.add_(batch.detach());
    batch = torch::Tensor();
  }
  if (!one_sum) z2 = torch::Tensor();  // embedded again for each partition
  const int64_t count = options.baseline ? 0 : environment.size(0);
  TORCH_INTERNAL_ASSERT(!one_sum || count == 1);
  for (int64_t p = 0; p < count; ++p) {
    const auto [contrastive, penalty] = loss::mixed_environment_terms(
        view1, one_sum ? z2 : embed(view2), environment[p], p, key, options, embed);
    const auto terms = loss::combine(contrastive, penalty, batch, penalty_weight);
    back_propagate(terms.loss);
    const double share = 1 / static_cast<double>(count);  // gradients add up; reported is the mean
    out.loss.add_(terms.loss.detach(), share);
    out.contrastive.add_(terms.contrastive, share);
    out.penalty.add_(terms.penalty, share);
  }
  std::vector<torch::Tensor> gradient;
  for (auto parameter : adam.parameters()) {  // what the losses have added up there
    auto& sum = parameter.mutable_grad();
    gradient.push_back(sum.defined() ? sum : torch::zeros_like(parameter));
    sum.reset();
  }
  adam.step(gradient);
  return out;
}

}  // namespace ipirm::train
