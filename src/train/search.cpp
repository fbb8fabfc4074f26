// The search as a source of partitions: features of the network, then the maximizer.
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/check_alike.h"
#include "ipirm/train/partition_source.h"
#include "ipirm/train/search_team.h"

namespace ipirm::train {
namespace {

class Search : public PartitionSource {
 public:
  Search(const partition::MaximizeOptions& options, ViewSource views, int64_t chunk, bool bf16)
      : options_(options), views_(std::move(views)), chunk_(chunk), bf16_(bf16) {}

  std::optional<partition::Maximization> partition(
      RunState& state, int64_t epoch,
      const std::function<void(const partition::PassReport&)>& after_pass) override {
    const auto number = static_cast<uint64_t>(epoch);
    const auto features = features_of(state.model, number);
    if (!features) return std::nullopt;
    // One that was stopped goes on.
    if (!state.search) state.search = partition::new_search(first_logits(state, number));
    core::Progress progress(core::cat("maximization ", epoch), options_.passes, "passes");
    auto result = partition::maximize(
        *features, *state.search, options_, [this] { return views_.group->agreement().stop(); },
        [&](const partition::PassReport& pass) {
          dist::check_same(*views_.group, state.search->logits,
                           core::cat("the logits after pass ", pass.pass));
          after_pass(pass);
          progress.update(pass.pass + 1,
                          core::cat("risk ", core::with_digits(pass.risk, 4), ", best ",
                                    core::with_digits(pass.best_risk, 4)));
        },
        team_of(views_.group));
    if (result.interrupted) return std::nullopt;
    return result;
  }

 private:
  // Null once interrupted.
  std::unique_ptr<partition::FeatureSource> features_of(model::Model& model, uint64_t number) {
    if (!options_.offline)
      return std::make_unique<OnlineSource>(model, views_, options_, number, chunk_, bf16_);
    const auto bank = embed_views(model, views_, options_, number, chunk_, bf16_);
    if (!bank.z1.defined()) return nullptr;
    return std::make_unique<partition::BankSource>(
        bank.z1, bank.z2, options_.batch_size, options_.shuffle, options_.seed, number, bank.lam);
  }

  torch::Tensor first_logits(RunState& state, uint64_t number) const {
    if (!options_.random_init && !state.partitions.empty()) return state.partitions.newest();
    return core::to_device(
        partition::random_logits(views_.set->size(), options_.num_env, options_.seed, number),
        state.model->parameters().front().device());
  }

  partition::MaximizeOptions options_;
  ViewSource views_;
  int64_t chunk_;
  bool bf16_;
};

}  // namespace

std::unique_ptr<PartitionSource> make_search(const partition::MaximizeOptions& options,
                                             ViewSource views, int64_t chunk, bool bf16) {
  return std::make_unique<Search>(options, std::move(views), chunk, bf16);
}

}  // namespace ipirm::train
