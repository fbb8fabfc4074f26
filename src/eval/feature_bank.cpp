// Embeds a whole image set with a network in evaluation mode.
#include "ipirm/eval/feature_bank.h"

#include <torch/nn/functional/normalization.h>

#include "eval/views.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"
#include "ipirm/dist/share.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/keep_mode.h"

namespace ipirm::eval {
namespace {

torch::Tensor features_of(model::Model& model, const torch::Tensor& images, FeatureKind kind) {
  if (kind == FeatureKind::kZ) return model->project(images);
  const torch::Tensor h = model->encode(images);
  if (kind == FeatureKind::kH) return h;
  namespace F = torch::nn::functional;
  return F::normalize(h, F::NormalizeFuncOptions().p(2).dim(1).eps(1e-12));
}

}  // namespace

int64_t feature_width(const model::Model& model, FeatureKind kind) {
  return kind == FeatureKind::kZ ? model->options().feature_dim : model->feature_size();
}

bool visit_test_views(model::Model& model, const data::ImageSet& set, const RunOptions& options,
                      const std::string& progress_label, FeatureKind kind,
                      const std::function<void(const torch::Tensor&)>& take) {
  const dist::Shares shares(set.size(), *options.group);
  const auto loader = test_views(set, options);
  const model::KeepMode evaluating(*model, model::Mode::kEvaluation);
  const torch::NoGradGuard no_grad;
  const model::Autocast autocast(options.device, options.bf16);

  core::Progress progress(progress_label, shares.size(), "images");
  int64_t done = 0;
  // Every rank asks as often whether to stop, also one whose share is a batch smaller.
  const int64_t batch_size = test_batch_size(set, options);
  for (int64_t start = 0; start < shares.largest(); start += batch_size) {
    if (options.group->agreement().stop()) return false;
    if (done == shares.size()) continue;
    const auto batch = loader->next();
    const auto images = augment::normalised(core::to_device(batch->views[0], options.device));
    take(features_of(model, images, kind).to(torch::kFloat32));
    done += images.size(0);
    progress.update(done);
  }
  return true;
}

torch::Tensor embed_test_views(model::Model& model, const data::ImageSet& set,
                               const RunOptions& options, const std::string& progress_label,
                               FeatureKind kind) {
  const auto rows =
      torch::empty({dist::Shares(set.size(), *options.group).size(), feature_width(model, kind)},
                   torch::TensorOptions().dtype(torch::kFloat32).device(options.device));
  int64_t done = 0;
  const bool whole = visit_test_views(
      model, set, options, progress_label, kind, [&](const torch::Tensor& features) {
        rows.slice(0, done, done + features.size(0)).copy_(features);
        done += features.size(0);
      });
  return whole ? rows : torch::Tensor();
}

torch::Tensor embed_whole_set(model::Model& model, const data::ImageSet& set,
                              const RunOptions& options, const std::string& progress_label,
                              FeatureKind kind) {
  const auto own = embed_test_views(model, set, options, progress_label, kind);
  if (!own.defined()) return own;
  return dist::gather_rows(*options.group, own, {set.size(), *options.group});
}

}  // namespace ipirm::eval
