// Embeds a part of a set, and keeps the directions in which its features differ most.
#include "app/projected_features.h"

#include <ATen/ops/linalg_eigh.h>
#include <torch/utils.h>

#include "app/first_images.h"
#include "ipirm/dist/collect.h"
#include "ipirm/observe/projector.h"

namespace ipirm::app {
namespace {

constexpr int64_t kComponents = 64;

// features (n, d): (n, min(d, 64)), the greatest variance first.
torch::Tensor principal_components(const torch::Tensor& features) {
  const auto centred = features - features.mean(0);
  const auto directions = std::get<1>(at::linalg_eigh(centred.t().mm(centred)));
  return centred.mm(directions.flip(1).slice(1, 0, kComponents));  // the least variance came first
}

}  // namespace

void project_features(model::Model& model, const data::DataSets& sets,
                      const eval::RunOptions& options, const std::filesystem::path& folder) {
  const torch::NoGradGuard no_grad;
  const FirstImages set(sets.test ? sets.test : sets.train, observe::kMaxProjected);
  const auto own = eval::embed_test_views(model, set, options, "features for the projector");
  if (!own.defined()) return;
  const auto features = dist::gather_rows(*options.group, own, {set.size(), *options.group});
  if (options.group->is_first())
    observe::write_projector(folder, principal_components(features.to(torch::kCPU)), set);
}

}  // namespace ipirm::app
