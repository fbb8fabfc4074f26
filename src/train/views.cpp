// Makes loaders of augmented views and embeds them for the maximization.
#include "ipirm/train/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/views.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/model/autocast.h"

namespace ipirm::train {
namespace {

std::vector<int64_t> set_order(int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

torch::Device device_of(const model::Model& model) { return model->parameters().front().device(); }

// Projections of a batch of views in chunks, float32; the views are mixed before where `mix` is
// given. In evaluation mode a sample's projection does not depend on its chunk.
torch::Tensor project(model::Model& model, const torch::Tensor& views, int64_t chunk, bool bf16,
                      const std::optional<loss::Mix>& mix = {}) {
  const auto device = device_of(model);
  const model::Autocast autocast(device, bf16);
  const auto as_images = [&](const torch::Tensor& part) {
    return augment::normalised(core::to_device(part, device));
  };
  std::vector<torch::Tensor> parts;
  for (int64_t start = 0; start < views.size(0); start += chunk) {
    const auto part = [&](const torch::Tensor& whole) {
      return whole.slice(0, start, std::min(start + chunk, views.size(0)));
    };
    auto images = as_images(part(views));
    if (mix) {
      // A partner may stand anywhere in the batch, of which the device holds a chunk alone.
      const auto others = as_images(views.index_select(0, part(mix->partner)));
      images = loss::mix_images(images, others, core::to_device(part(mix->lam), device));
    }
    parts.push_back(model->project(images).to(torch::kFloat32));
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

// How the first views of a maximization's batch are mixed among themselves, on the CPU; nothing
// without MixUp.
std::optional<loss::Mix> mix_of(const data::Batch& batch, const partition::MaximizeOptions& options,
                                uint64_t key, uint64_t number) {
  if (!options.mixup) return std::nullopt;
  const core::KeyedRandom random(options.seed, core::Purpose::kMaximizeMixup, key, number);
  return loss::draw_mix(random, batch.index.size(0), options.alpha);
}

augment::Views views_of(const ViewSource& source, core::Purpose purpose, uint64_t epoch) {
  auto [shape, make] =
      augment::augmented_views(*source.set, source.augment, {source.seed, purpose, epoch});
  // A loader may outlive whoever else holds the set.
  return {shape, [set = source.set, make = std::move(make)](
                     int64_t sample, int view, std::vector<uint8_t>& scratch,
                     const data::ViewOut& out) { make(sample, view, scratch, out); }};
}

}  // namespace

data::Loader two_view_loader(const ViewSource& source, core::Purpose purpose, uint64_t epoch,
                             std::vector<int64_t> order, int64_t batch_size, bool drop_last,
                             int64_t first_batch) {
  auto [shape, make] = views_of(source, purpose, epoch);
  return data::Loader(std::move(order), batch_size, drop_last, /*num_views=*/2, shape,
                      std::move(make), source.loader, first_batch);
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
    const auto mix = mix_of(*batch, options, key, static_cast<uint64_t>(done / batch_size));
    if (mix)
      bank.lam.slice(0, done, done + size).copy_(core::to_device(mix->lam, bank.lam.device()));
    bank.z1.slice(0, done, done + size).copy_(project(model, batch->views[0], chunk, bf16, mix));
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
  auto [shape, make] = views_of(source_, core::Purpose::kMaximizeView, key_);
  if (loader_)
    return loader_->start_pass(std::move(order), std::move(make));  // by the same threads
  loader_ = std::make_unique<data::Loader>(std::move(order), batch_size_, /*drop_last=*/true,
                                           /*num_views=*/2, shape, std::move(make), source_.loader);
}

std::optional<partition::FeatureBatch> OnlineSource::next() {
  torch::NoGradGuard no_grad;
  auto batch = loader_->next();
  if (!batch) return std::nullopt;
  const auto device = device_of(model_);
  auto mix = mix_of(*batch, options_, key_, batch_++);
  partition::FeatureBatch result{.index = core::to_device(batch->index, device),
                                 .z1 = project(model_, batch->views[0], chunk_, bf16_, mix),
                                 .z2 = project(model_, batch->views[1], chunk_, bf16_)};
  if (mix)
    result.mix = {core::to_device(mix->lam.to(torch::kFloat32), device),
                  core::to_device(mix->partner, device)};
  return result;
}

}  // namespace ipirm::train
