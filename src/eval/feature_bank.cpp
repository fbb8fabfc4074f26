// Embeds a whole image set with a network in evaluation mode.
#include "ipirm/eval/feature_bank.h"

#include <torch/nn/functional/normalization.h>

#include "eval/encode.h"
#include "eval/views.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/keep_mode.h"

namespace ipirm::eval {

torch::Tensor encode_test_views(model::Model& model, const data::ImageSet& set,
                                const RunOptions& options, const std::string& progress_label,
                                bool normalise) {
  const auto loader = test_views(set, options);
  const model::KeepMode evaluating(*model, model::Mode::kEvaluation);
  const torch::NoGradGuard no_grad;
  const model::Autocast autocast(options.device, options.bf16);

  torch::Tensor rows =
      torch::empty({set.size(), model->feature_size()},
                   torch::TensorOptions().dtype(torch::kFloat32).device(options.device));
  core::Progress progress(progress_label, set.size(), "images");
  int64_t done = 0;
  while (const auto batch = core::interrupted() ? std::nullopt : loader->next()) {
    const torch::Tensor h = model->encode(augment::normalised(
        batch->views[0].to(options.device, /*non_blocking=*/options.loader.pinned)));
    namespace F = torch::nn::functional;
    rows.slice(0, done, done + h.size(0))
        .copy_(normalise ? F::normalize(h, F::NormalizeFuncOptions().p(2).dim(1).eps(1e-12)) : h);
    done += h.size(0);
    progress.update(done);
  }
  return rows;
}

torch::Tensor embed_test_views(model::Model& model, const data::ImageSet& set,
                               const RunOptions& options, const std::string& progress_label) {
  return encode_test_views(model, set, options, progress_label, /*normalise=*/true);
}

}  // namespace ipirm::eval
