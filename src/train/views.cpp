// Makes loaders of augmented views and embeds them for the maximization.
#include "ipirm/train/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/views.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"
#include "ipirm/model/autocast.h"

namespace ipirm::train {
namespace {

std::vector<int64_t> set_order(int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

torch::Device device_of(const model::Model& model) { return model->parameters().front().device(); }

// What this rank's rows of a batch are mixed with.
struct Mixing {
  torch::Tensor views;  // of the whole batch
  // (n) of this rank's rows.
  torch::Tensor partner, lam;
};

// Projections of views in chunks, float32; the views are mixed before where `mixing` is given. In
// evaluation mode a sample's projection does not depend on its chunk.
torch::Tensor project(model::Model& model, const torch::Tensor& views, int64_t chunk, bool bf16,
                      const std::optional<Mixing>& mixing) {
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
    if (mixing) {
      // A partner may stand anywhere in the batch, of which the device holds a chunk alone.
      const auto others = as_images(mixing->views.index_select(0, part(mixing->partner)));
      images = loss::mix_images(images, others, core::to_device(part(mixing->lam), device));
    }
    parts.push_back(model->project(images).to(torch::kFloat32));
  }
  if (parts.empty())
    return torch::empty({0, model->options().feature_dim}, model->parameters().front().options());
  return parts.size() == 1 ? parts.front() : torch::cat(parts);
}

struct Projections {
  torch::Tensor z1, z2;
};

// Of both views of a whole batch, of which this rank has `views`, its shares.
Projections project_batch(model::Model& model, const std::vector<torch::Tensor>& views,
                          const dist::Shares& shares, dist::Group& group, int64_t chunk, bool bf16,
                          const std::optional<loss::Mix>& mix) {
  std::optional<Mixing> mixing;
  if (mix) {
    mixing = Mixing{dist::gather_rows(group, views[0], shares), shares.own(mix->partner),
                    shares.own(mix->lam)};
  }
  auto z1 = dist::gather_rows(group, project(model, views[0], chunk, bf16, mixing), shares);
  auto z2 = dist::gather_rows(group, project(model, views[1], chunk, bf16, {}), shares);
  return {std::move(z1), std::move(z2)};
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
std::optional<loss::Mix> mix_of(int64_t batch_size, const partition::MaximizeOptions& options,
                                uint64_t key, uint64_t number) {
  if (!options.mixup) return std::nullopt;
  const core::KeyedRandom random(options.seed, core::Purpose::kMaximizeMixup, key, number);
  return loss::draw_mix(random, batch_size, options.alpha);
}

augment::Views views_of(const ViewSource& source, core::Purpose purpose, uint64_t epoch) {
  auto [shape, make] =
      augment::augmented_views(*source.set, source.augment, {source.seed, purpose, epoch});
  // A loader may outlive whoever else holds the set.
  return {shape, [set = source.set, make = std::move(make)](
                     int64_t sample, int view, std::vector<uint8_t>& scratch,
                     const data::ViewOut& out) { make(sample, view, scratch, out); }};
}

// This rank's part of an order, and how many rows of a full batch it is.
struct OwnOrder {
  std::vector<int64_t> order;
  int64_t batch_size;
};

OwnOrder own_order(const ViewSource& source, std::vector<int64_t> order, int64_t batch_size,
                   bool drop_last) {
  const auto size = static_cast<int64_t>(order.size());
  if (drop_last) order.resize(static_cast<size_t>(size / batch_size * batch_size));
  const int64_t own = dist::Shares(batch_size, *source.group).size();
  return {dist::own_part(order, batch_size, *source.group), std::max<int64_t>(own, 1)};
}

// The views of this rank's share of the next batch, which may hold no rows.
std::vector<torch::Tensor> next_views(data::Loader& loader, const dist::Shares& shares,
                                      const ViewSource& source) {
  if (shares.size() > 0) {
    auto batch = loader.next();
    TORCH_INTERNAL_ASSERT(batch && batch->index.size(0) == shares.size());
    return std::move(batch->views);
  }
  const auto shape = views_of(source, core::Purpose::kMaximizeView, 0).shape;
  const bool in_bytes = source.loader.pixels == data::Pixels::kByte;
  const auto none =
      torch::empty({0, 3, shape.height, shape.width}, in_bytes ? torch::kUInt8 : torch::kFloat32);
  return {none, none};
}

}  // namespace

data::Loader two_view_loader(const ViewSource& source, core::Purpose purpose, uint64_t epoch,
                             std::vector<int64_t> order, int64_t batch_size, bool drop_last,
                             int64_t first_batch) {
  auto [shape, make] = views_of(source, purpose, epoch);
  auto own = own_order(source, std::move(order), batch_size, drop_last);
  return data::Loader(std::move(own.order), own.batch_size, drop_last, /*num_views=*/2, shape,
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
  for (int64_t done = 0; done < n;) {
    if (source.group->agreement().stop()) return {};
    const int64_t size = std::min(batch_size, n - done);
    const dist::Shares shares(size, *source.group);
    const auto mix = mix_of(size, options, key, static_cast<uint64_t>(done / batch_size));
    const auto rows = [&](const torch::Tensor& all) { return all.slice(0, done, done + size); };
    if (mix) rows(bank.lam).copy_(core::to_device(mix->lam, bank.lam.device()));
    const auto z = project_batch(model, next_views(loader, shares, source), shares, *source.group,
                                 chunk, bf16, mix);
    rows(bank.z1).copy_(z.z1);
    rows(bank.z2).copy_(z.z2);
    done += size;
    progress.update(done);
  }
  return bank;
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
  order_ = torch::tensor(order, torch::kInt64);
  if (loader_) {  // by the same threads
    return loader_->start_pass(
        own_order(source_, std::move(order), batch_size_, /*drop_last=*/true).order,
        views_of(source_, core::Purpose::kMaximizeView, key_).make);
  }
  loader_.reset(new data::Loader(two_view_loader(source_, core::Purpose::kMaximizeView, key_,
                                                 std::move(order), batch_size_,
                                                 /*drop_last=*/true)));
}

std::optional<partition::FeatureBatch> OnlineSource::next() {
  torch::NoGradGuard no_grad;
  const auto number = static_cast<int64_t>(batch_);
  if (number >= batches_per_pass()) return std::nullopt;
  const auto device = device_of(model_);
  const auto mix = mix_of(batch_size_, options_, key_, batch_++);
  const auto index = order_.slice(0, number * batch_size_, (number + 1) * batch_size_);
  const dist::Shares shares(batch_size_, *source_.group);
  auto z = project_batch(model_, next_views(*loader_, shares, source_), shares, *source_.group,
                         chunk_, bf16_, mix);
  partition::FeatureBatch result{
      .index = core::to_device(index, device), .z1 = std::move(z.z1), .z2 = std::move(z.z2)};
  if (mix)
    result.mix = {core::to_device(mix->lam.to(torch::kFloat32), device),
                  core::to_device(mix->partner, device)};
  return result;
}

}  // namespace ipirm::train
