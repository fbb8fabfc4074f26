// Embeds what MixUp's plan says, back-propagates the terms, and steps once.
#include "train/mixup_step.h"

#include <ATen/core/grad_mode.h>

#include <vector>

#include "ipirm/augment/views.h"
#include "ipirm/dist/collect.h"
#include "ipirm/dist/gradient_sum.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/bf16_weights.h"

namespace ipirm::train {
namespace {

// BatchNorm takes no statistics of one projection: a rank embeds two images of an environment or
// none.
constexpr int64_t kLeastShare = 2;

}  // namespace

torch::Tensor MixupStep::embed(model::Model& model, const torch::Tensor& images) const {
  const model::Autocast autocast(images.device(), options_.bf16);
  const model::Bf16Weights weights(*model, options_.bf16, bf16_part(*options_.group));
  const auto dtype = model->parameters().front().scalar_type();  // the loss is not bf16
  return model->project(images).to(dtype);
}

torch::Tensor MixupStep::embed_own(model::Model& model, const torch::Tensor& own,
                                   const dist::Shares& shares) const {
  return dist::gather_rows(*options_.group, embed(model, own), shares);
}

torch::Tensor MixupStep::embed_mixed(model::Model& model, const torch::Tensor& images,
                                     const loss::Mix& mix, const dist::Shares& shares) const {
  const auto others = images.index_select(0, shares.own(mix.partner));
  return embed_own(model, loss::mix_images(shares.own(images), others, shares.own(mix.lam)),
                   shares);
}

loss::MixedTerms MixupStep::partition_terms(model::Model& model, const torch::Tensor& view1,
                                            const torch::Tensor& z2,
                                            const std::vector<loss::EnvironmentMix>& mixes) const {
  std::vector<loss::MixedTerms> terms;
  for (const auto& [samples, mix] : mixes) {
    const auto images = view1.index_select(0, samples).contiguous(view1.suggest_memory_format());
    const dist::Shares shares(samples.size(0), *options_.group, kLeastShare);
    const auto z1 = embed_mixed(model, images, mix, shares);
    terms.push_back(loss::mixed_terms(z1, z2.index_select(0, samples), mix, loss_.temperature));
  }
  return loss::environments_side_by_side(terms, loss_.num_env, z2.options());
}

loss::NamedTerms MixupStep::run(model::Model& model, ops::Adam& adam, const StepInput& input) {
  model->train();
  const auto& first = adam.parameters().front();
  const auto zero = [&] { return torch::zeros({}, first.options()); };
  loss::Terms out{zero(), zero(), zero(), zero()};
  const auto environment = uses_partitions() ? input.environment : torch::Tensor();
  auto& group = *options_.group;
  const auto shares = dist::Shares::of_equal(input.view1.size(0), group);
  const auto view1 = augment::normalised(dist::gather_rows(group, input.view1, shares));
  const auto view2 = augment::normalised(input.view2);
  const auto plan =
      loss::to_device(loss::plan_mixup({options_.seed, input.epoch, input.step}, shares.total(),
                                       loss_.mixup.alpha, environment),
                      view1.device());
  const auto num_partitions = static_cast<int64_t>(plan.partitions.size());
  const bool one_sum = uses_partitions() && !options_.retain_group;
  const bool batch_counts = loss_.baseline || loss_.keep_cont;
  TORCH_INTERNAL_ASSERT(!one_sum || num_partitions == 1);

  torch::Tensor z2, batch_loss;
  {
    torch::Tensor z1;
    {
      const at::AutoGradMode graph(batch_counts);
      z1 = embed_mixed(model, view1, plan.batch, shares);
    }
    const at::AutoGradMode graph(batch_counts || one_sum);
    z2 = embed_own(model, view2, shares);
    if (batch_counts)
      batch_loss = loss::mixed_terms(z1, z2, plan.batch, loss_.temperature).contrastive;
  }
  if (batch_counts) (loss_.baseline ? out.contrastive : out.batch).copy_(batch_loss.detach());
  dist::GradientSum gradients(group, adam.parameters());
  if (batch_counts && !one_sum) {
    gradients.add(batch_loss, /*is_last=*/plan.partitions.empty());
    out.loss.add_(batch_loss.detach());
    batch_loss = torch::Tensor();
  }
  for (const auto& mixes : plan.partitions) {
    if (!one_sum) {
      z2 = torch::Tensor();  // frees the graph of the pass before
      z2 = embed_own(model, view2, shares);
    }
    const auto [contrastive, penalty] = partition_terms(model, view1, z2, mixes);
    const auto terms =
        loss::combine(contrastive, penalty, batch_loss, input.penalty_weight, loss_.penalty);
    gradients.add(terms.loss, /*is_last=*/&mixes == &plan.partitions.back());
    // Gradients add up; what is reported is the partitions' mean.
    const double share = 1 / static_cast<double>(num_partitions);
    out.loss.add_(terms.loss.detach(), share);
    out.contrastive.add_(terms.contrastive, share);
    out.penalty.add_(terms.penalty, share);
  }
  adam.step(gradients.take());
  return loss::named(out);
}

}  // namespace ipirm::train
