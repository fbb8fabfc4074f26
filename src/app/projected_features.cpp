// Embeds a part of a set, and keeps the directions in which its features differ most.
#include "app/projected_features.h"

#include <torch/utils.h>

#include <algorithm>

#include "ipirm/data/subset.h"
#include "ipirm/dist/collect.h"
#include "ipirm/inspect/feature_view.h"
#include "ipirm/observe/projector.h"

namespace ipirm::app {
namespace {

constexpr int64_t kComponents = 64;

}  // namespace

void project_features(model::Model& model, const data::DataSets& sets,
                      const eval::RunOptions& options, const std::filesystem::path& folder) {
  const torch::NoGradGuard no_grad;
  const auto set = data::spread_subset(sets.test ? sets.test : sets.train, observe::kMaxProjected);
  const auto own = eval::embed_test_views(model, set, options, "features for the projector");
  if (!own.defined()) return;
  const auto features = dist::gather_rows(*options.group, own, {set.size(), *options.group});
  if (options.group->is_first())
    observe::write_projector(
        folder,
        inspect::principal_components(features, std::min(kComponents, features.size(1))).points,
        set);
}

}  // namespace ipirm::app
