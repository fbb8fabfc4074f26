// The two steps on plain views, and the choice among all three.
#include "ipirm/train/step.h"

#include "ipirm/augment/views.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"
#include "ipirm/dist/gradient_sum.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/bf16_weights.h"
#include "train/mixup_step.h"

namespace ipirm::train {
namespace {

// What the two steps on plain views share: a forward pass a view (each has its own BatchNorm
// statistics), a loss of the whole batch's projections, the ranks' gradients summed, Adam.
class PlainStep : public Step {
 public:
  PlainStep(const loss::LossOptions& loss, const StepOptions& options)
      : loss_(loss), bf16_(options.bf16), group_(options.group) {}

  loss::NamedTerms run(model::Model& model, ops::Adam& adam, const StepInput& input) override {
    model->train();
    const auto view1 = augment::normalised(input.view1);
    const auto view2 = augment::normalised(input.view2);
    torch::Tensor z1, z2;
    {
      const model::Autocast autocast(view1.device(), bf16_);
      const model::Bf16Weights weights(*model, bf16_, bf16_part(*group_));
      z1 = model->project(view1);
      z2 = model->project(view2);
    }
    // The loss is computed at full precision under bf16 too.
    const auto dtype = adam.parameters().front().scalar_type();
    const auto shares = dist::Shares::of_equal(z1.size(0), *group_);
    const auto terms = objective(dist::gather_rows(*group_, z1.to(dtype), shares),
                                 dist::gather_rows(*group_, z2.to(dtype), shares), input);
    dist::GradientSum gradients(*group_, adam.parameters());
    gradients.add(terms.loss, /*is_last=*/true);
    adam.step(gradients.take());
    return loss::named(terms);
  }

 protected:
  virtual loss::Terms objective(const torch::Tensor& z1, const torch::Tensor& z2,
                                const StepInput& input) const = 0;
  const loss::LossOptions loss_;

 private:
  const bool bf16_;
  const std::shared_ptr<dist::Group> group_;
};

class ContrastiveStep : public PlainStep {
 public:
  using PlainStep::PlainStep;
  bool uses_partitions() const override { return false; }

 protected:
  loss::Terms objective(const torch::Tensor& z1, const torch::Tensor& z2,
                        const StepInput&) const override {
    return loss::baseline_objective(z1, z2, loss_);
  }
};

class EnvironmentStep : public PlainStep {
 public:
  using PlainStep::PlainStep;
  bool uses_partitions() const override { return true; }

 protected:
  loss::Terms objective(const torch::Tensor& z1, const torch::Tensor& z2,
                        const StepInput& input) const override {
    const auto environment = core::to_device(input.environment, z1.device());
    return loss::minimize_objective(z1, z2, environment, input.penalty_weight, loss_);
  }
};

}  // namespace

std::unique_ptr<Step> make_step(const loss::LossOptions& loss, const StepOptions& options) {
  if (loss.mixup.on) return std::make_unique<MixupStep>(loss, options);
  if (loss.baseline) return std::make_unique<ContrastiveStep>(loss, options);
  return std::make_unique<EnvironmentStep>(loss, options);
}

}  // namespace ipirm::train
