// Makes loaders of augmented views and embeds them for the maximization.
#include "ipirm/train/views.h"

#include <algorithm>
#include <numeric>

#include "ipirm/augment/recipe.h"
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

}  // namespace

data::Loader two_view_loader(const ViewSource& source, core::Purpose purpose, uint64_t epoch,
                             std::vector<int64_t> order, int64_t batch_size, bool drop_last,
                             int64_t first_batch) {
  const bool plain = source.augment.recipe == "none";
  std::vector<uint8_t> scratch;
  const auto first = source.set->image(order.front(), scratch);
  const int size = source.augment.crop_size;
  const auto shape =
      plain ? data::ViewShape{first.height, first.width} : data::ViewShape{size, size};
  auto make_view = [=](int64_t sample, int view, std::vector<uint8_t>& memory,
                       const data::ViewOut& out) {
    const auto image = source.set->image(sample, memory);
    if (plain) return augment::make_plain_view(image, out);
    core::KeyedRandom random(source.seed, purpose, epoch, static_cast<uint64_t>(sample),
                             static_cast<uint32_t>(view));
    augment::make_view(image, augment::draw_view(random, source.augment, image.height, image.width),
                       size, out);
  };
  return data::Loader(std::move(order), batch_size, drop_last, /*num_views=*/2, shape,
                      std::move(make_view), source.loader, first_batch);
}

FeatureBank embed_views(model::Model& model, const ViewSource& source, uint64_t maximization,
                        int64_t chunk, bool bf16) {
  torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  const int64_t n = source.set->size();
  const auto options = torch::TensorOptions().dtype(torch::kFloat32).device(device_of(model));
  FeatureBank bank{torch::empty({n, model->options().feature_dim}, options),
                   torch::empty({n, model->options().feature_dim}, options)};
  auto loader =
      two_view_loader(source, core::Purpose::kMaximizeView, maximization << 12, set_order(n), chunk,
                      /*drop_last=*/false);
  core::Progress progress("embedding views", n, "samples");
  int64_t done = 0;
  while (auto batch = core::interrupted() ? std::nullopt : loader.next()) {
    const int64_t size = batch->index.size(0);
    bank.z1.slice(0, done, done + size).copy_(project(model, batch->views[0], chunk, bf16));
    bank.z2.slice(0, done, done + size).copy_(project(model, batch->views[1], chunk, bf16));
    done += size;
    progress.update(done);
  }
  model->train(was_training);
  return done == n ? bank : FeatureBank{};
}

OnlineSource::OnlineSource(model::Model model, ViewSource source,
                           const partition::MaximizeOptions& options, uint64_t maximization,
                           int64_t chunk, bool bf16)
    : model_(std::move(model)),
      source_(std::move(source)),
      batch_size_(options.batch_size > 0 ? std::min(options.batch_size, source_.set->size())
                                         : source_.set->size()),
      chunk_(chunk),
      shuffle_(options.shuffle),
      bf16_(bf16),
      was_training_(model_->is_training()),
      maximization_(maximization) {
  model_->eval();
}

OnlineSource::~OnlineSource() { model_->train(was_training_); }

void OnlineSource::start_pass(int64_t pass) {
  const auto key = static_cast<uint64_t>(pass);
  auto order =
      shuffle_ ? core::permutation(core::KeyedRandom(source_.seed, core::Purpose::kMaximizeOrder,
                                                     maximization_, key),
                                   size())
               : set_order(size());
  loader_.reset();  // ends the last pass's threads before new ones start
  loader_.reset(new data::Loader(two_view_loader(source_, core::Purpose::kMaximizeView,
                                                 (maximization_ << 12) + key, std::move(order),
                                                 batch_size_, /*drop_last=*/true)));
}

std::optional<partition::FeatureBatch> OnlineSource::next() {
  torch::NoGradGuard no_grad;
  const auto batch = loader_->next();
  if (!batch) return std::nullopt;
  return partition::FeatureBatch{batch->index.to(device_of(model_), /*non_blocking=*/true),
                                 project(model_, batch->views[0], chunk_, bf16_),
                                 project(model_, batch->views[1], chunk_, bf16_)};
}

}  // namespace ipirm::train
