// Makes loaders of augmented views and embeds them for the maximization.
#include "ipirm/train/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/views.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/model/autocast.h"

namespace ipirm::train {
namespace {

std::vector<int64_t> set_order(int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

torch::Device device_of(const model::Model& model) { return model->parameters().front().device(); }

// Projections of a batch of views in chunks, float32. In evaluation mode a sample's projection does
// not depend on its chunk.
torch::Tensor project(model::Model& model, const torch::Tensor& views, int64_t chunk, bool bf16) {
  const auto device = device_of(model);
  const model::Autocast autocast(device, bf16);
  std::vector<torch::Tensor> parts;
  for (const auto& part : views.split(chunk)) {
    parts.push_back(
        model->forward(part.to(device, /*non_blocking=*/true)).projection.to(torch::kFloat32));
  }
  return parts.size() == 1 ? parts.front() : torch::cat(parts);
}

int64_t batch_size_of(const partition::MaximizeOptions& options, int64_t set_size) {
  return options.batch_size > 0 ? std::min(options.batch_size, set_size) : set_size;
}

// What the draws of a pass stand under, in the place of an epoch.
uint64_t pass_key(uint64_t maximization, uint64_t pass) {
  TORCH_CHECK(maximization <= static_cast<uint64_t>(partition::kMaxMaximization) &&
                  pass < static_cast<uint64_t>(partition::kMaxPasses),
              "pass ", pass, " of maximization ", maximization, " has no number of its own");
  return (maximization << partition::kPassBits) + pass;
}

// Mixes the first views of a maximization's batch among themselves.
loss::Mix mix_first(data::Batch& batch, const partition::MaximizeOptions& options, uint64_t key,
                    uint64_t number) {
  const core::KeyedRandom random(options.seed, core::Purpose::kMaximizeMixup, key, number);
  const auto mix = loss::draw_mix(random, batch.index.size(0), options.alpha);
  batch.views[0] = loss::mix_images(batch.views[0], mix);
  return mix;
}

}  // namespace

data::Loader two_view_loader(const ViewSource& source, core::Purpose purpose, uint64_t epoch,
                             std::vector<int64_t> order, int64_t batch_size, bool drop_last,
                             int64_t first_batch) {
  auto [shape, make] =
      augment::augmented_views(*source.set, source.augment, {source.seed, purpose, epoch});
  // The loader may outlive whoever else holds the set.
  auto make_view = [set = source.set, make = std::move(make)](
                       int64_t sample, int view, std::vector<uint8_t>& scratch,
                       const data::ViewOut& out) { make(sample, view, scratch, out); };
  return data::Loader(std::move(order), batch_size, drop_last, /*num_views=*/2, shape,
                      std::move(make_view), source.loader, first_batch);
}

FeatureBank embed_views(model::Model& model, const ViewSource& source,
                        const partition::MaximizeOptions& options, uint64_t maximization,
                        int64_t chunk, bool bf16) {
  torch::NoGradGuard no_grad;
  const model::KeepMode evaluating(*model, model::Mode::kEvaluation);
  const int64_t n = source.set->size();
  const auto on_device = torch::TensorOptions().dtype(torch::kFloat32).device(device_of(model));
  FeatureBank bank{torch::empty({n, model->options().feature_dim}, on_device),
                   torch::empty({n, model->options().feature_dim}, on_device),
                   options.mixup ? torch::empty({n}, on_device) : torch::Tensor()};
  const uint64_t key = pass_key(maximization, 0);
  const int64_t batch_size = options.mixup ? batch_size_of(options, n) : chunk;
  auto loader = two_view_loader(source, core::Purpose::kMaximizeView, key, set_order(n), batch_size,
                                /*drop_last=*/false);
  core::Progress progress("embedding views", n, "samples");
  int64_t done = 0;
  while (auto batch = core::interrupted() ? std::nullopt : loader.next()) {
    const int64_t size = batch->index.size(0);
    if (options.mixup) {
      const auto mix = mix_first(*batch, options, key, static_cast<uint64_t>(done / batch_size));
      bank.lam.slice(0, done, done + size).copy_(mix.lam);
    }
    bank.z1.slice(0, done, done + size).copy_(project(model, batch->views[0], chunk, bf16));
    bank.z2.slice(0, done, done + size).copy_(project(model, batch->views[1], chunk, bf16));
    done += size;
    progress.update(done);
  }
  return done == n ? bank : FeatureBank{};
}

OnlineSource::OnlineSource(model::Model model, ViewSource source,
                           const partition::MaximizeOptions& options, uint64_t maximization,
                           int64_t chunk, bool bf16)
    : model_(std::move(model)),
      source_(std::move(source)),
      options_(options),
      batch_size_(batch_size_of(options, source_.set->size())),
      chunk_(chunk),
      bf16_(bf16),
      evaluating_(*model_, model::Mode::kEvaluation),
      maximization_(maximization) {}

void OnlineSource::start_pass(int64_t pass) {
  key_ = pass_key(maximization_, static_cast<uint64_t>(pass));
  batch_ = 0;
  auto order = options_.shuffle ? core::permutation(
                                      core::KeyedRandom(source_.seed, core::Purpose::kMaximizeOrder,
                                                        maximization_, static_cast<uint64_t>(pass)),
                                      size())
                                : set_order(size());
  loader_.reset();  // ends the last pass's threads before new ones start
  loader_.reset(
      new data::Loader(two_view_loader(source_, core::Purpose::kMaximizeView, key_,
                                       std::move(order), batch_size_, /*drop_last=*/true)));
}

std::optional<partition::FeatureBatch> OnlineSource::next() {
  torch::NoGradGuard no_grad;
  auto batch = loader_->next();
  if (!batch) return std::nullopt;
  const auto device = device_of(model_);
  std::optional<loss::Mix> mix;
  if (options_.mixup) {
    mix = mix_first(*batch, options_, key_, batch_++);
    mix = {mix->lam.to(device, torch::kFloat32), mix->partner.to(device)};
  }
  return partition::FeatureBatch{.index = batch->index.to(device, /*non_blocking=*/true),
                                 .z1 = project(model_, batch->views[0], chunk_, bf16_),
                                 .z2 = project(model_, batch->views[1], chunk_, bf16_),
                                 .mix = mix};
}

}  // namespace ipirm::train
