// The minimization step.
#include "ipirm/train/minimize_step.h"

#include <torch/csrc/autograd/autograd.h>

#include "ipirm/model/autocast.h"

namespace ipirm::train {

loss::Terms minimize_step(model::Model& model, ops::Adam& adam, const torch::Tensor& view1,
                          const torch::Tensor& view2, const torch::Tensor& environment,
                          double penalty_weight, const loss::LossOptions& options, bool bf16) {
  model->train();
  torch::Tensor z1, z2;
  {
    const model::Autocast autocast(view1.device(), bf16);
    z1 = model->forward(view1)
             .projection;  // a forward pass a view: each has its own BatchNorm statistics
    z2 = model->forward(view2).projection;
  }
  const auto dtype =
      adam.parameters().front().scalar_type();  // the loss is computed at full precision under bf16
  auto terms = options.baseline ? loss::baseline_objective(z1.to(dtype), z2.to(dtype), options)
                                : loss::minimize_objective(z1.to(dtype), z2.to(dtype), environment,
                                                           penalty_weight, options);
  adam.step(torch::autograd::grad({terms.loss}, adam.parameters()));
  terms.loss = terms.loss.detach();
  return terms;
}

}  // namespace ipirm::train
