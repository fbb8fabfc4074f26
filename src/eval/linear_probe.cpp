// The linear evaluation of METHOD 7: a frozen encoder, a linear classifier on h, accuracy after
// each epoch.
#include "ipirm/eval/linear_probe.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "eval/linear_heads.h"
#include "eval/linear_split.h"
#include "eval/linear_totals.h"
#include "eval/views.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/keep_mode.h"

namespace ipirm::eval {
namespace {

// By factor and head.
using Totals = std::vector<std::vector<LinearTotals>>;

// Whether an image's values, which the encoder's strides of 8 in all bring down, are one a channel:
// alone it has no variance, and BatchNorm in training mode refuses it.
bool has_one_value_a_channel(const data::ViewShape& shape) {
  return shape.height <= 8 && shape.width <= 8;
}

}  // namespace

class LinearProbe::Impl {
  using Clock = std::chrono::steady_clock;

 public:
  Impl(model::Model& model, const data::ImageSet& train, const data::ImageSet& test,
       const LinearOptions& options, const augment::AugmentOptions& augment, const RunOptions& run)
      : model_(model),
        split_(split_for_linear(train, options)),
        test_(test),
        options_(options),
        augment_(augment),
        run_(run) {
    for (size_t f = 0; f < train.factors().size(); ++f) {
      heads_.emplace_back(split_, test, static_cast<int>(f), model->feature_size(), options,
                          run.device);
    }
  }

  std::optional<std::vector<LinearEpoch>> epoch(int64_t number) {
    epoch_start_ = Clock::now();
    if (!first_) first_ = {number, epoch_start_};
    auto train = options_.solver == LinearSolver::kLbfgs ? minimize(number) : train_epoch(number);
    share_statistics();
    auto held = new_totals(), test = new_totals(/*by_class=*/true);
    if (split_.held) test_on(*split_.held, &LinearHeads::test_held, held_features_, number, held);
    test_on(test_, &LinearHeads::test, test_features_, number, test);
    if (group().agreement().stop()) return std::nullopt;
    of_heads_.clear();
    std::vector<LinearEpoch> best;
    for (size_t f = 0; f < heads_.size(); ++f) {
      of_heads_.emplace_back();
      for (size_t head = 0; head < heads_[f].size(); ++head) {
        const LinearEpoch e = summed(number, head, train[f][head], held[f][head], test[f][head]);
        of_heads_[f].push_back(e);
        if (head == 0) best.push_back(e);
        if (is_better(e, best[f])) best[f] = e;
      }
    }
    return best;
  }

  const std::vector<std::vector<LinearEpoch>>& heads() const { return of_heads_; }

  NamedTensors classifier(size_t factor, int64_t head) const {
    return heads_.at(factor).parameters(static_cast<size_t>(head));
  }

  std::optional<std::vector<Predictions>> predict(const std::vector<int64_t>& heads) {
    if (!test_features_.defined())
      test_features_ = embed_test_views(model_, test_, run_, "linear predict", FeatureKind::kH);
    if (!test_features_.defined()) return std::nullopt;
    std::vector<Predictions> predictions;
    for (size_t f = 0; f < heads_.size(); ++f) {
      const auto [value, probability] =
          heads_[f].predict(test_features_, static_cast<size_t>(heads.at(f)));
      const torch::Tensor own = torch::stack({value.to(torch::kFloat64), probability}, 1);
      const torch::Tensor all = dist::gather_rows(group(), own, {test_.size(), group()}).cpu();
      predictions.push_back(
          {all.select(1, 0).to(torch::kInt64), all.select(1, 1).to(torch::kFloat32)});
    }
    return predictions;
  }

  NamedTensors state() const {
    NamedTensors tensors;
    for (const auto& item : drifting()) tensors.emplace_back("module." + item.first, item.second);
    for (size_t f = 0; f < heads_.size(); ++f) heads_[f].add_state(tensors, f);
    return tensors;
  }

  void restore(const NamedTensors& state, const std::string& source) {
    const torch::NoGradGuard no_grad;
    const std::map<std::string, torch::Tensor> saved(state.begin(), state.end());
    const auto fill = [&](const std::string& name, torch::Tensor into) {
      const auto found = saved.find(name);
      if (found == saved.end() || found->second.sizes() != into.sizes() ||
          found->second.scalar_type() != into.scalar_type()) {
        throw core::UserError(core::cat(
            source, ": '", name, "' is missing or of another shape or type than ", into.sizes(),
            " ", into.scalar_type(), "; go on with the data and settings of the evaluation that ",
            "wrote it, or start anew with --overwrite"));
      }
      into.copy_(found->second);
    };
    for (const auto& item : drifting()) fill("module." + item.first, item.second);
    for (size_t f = 0; f < heads_.size(); ++f) heads_[f].restore(f, fill);
    if (!frozen()) test_features_ = torch::Tensor();  // they were those of another encoder
  }

 private:
  bool frozen() const { return options_.bn == BatchNormMode::kEval; }
  dist::Group& group() const { return *run_.group; }
  // The tensors of the encoder that an epoch changes.
  NamedTensors drifting() const {
    NamedTensors tensors;
    if (frozen()) return tensors;
    for (const auto& item : model_->named_buffers()) {
      if (item.key().starts_with("f.")) tensors.emplace_back(item.key(), item.value());
    }
    return tensors;
  }
  // Each rank has moved the running statistics by its own shares: rank 0's count.
  void share_statistics() {
    std::vector<torch::Tensor> statistics;
    for (const auto& item : drifting()) statistics.push_back(item.second);
    dist::broadcast(group(), statistics);
  }
  std::string label(const char* part, int64_t number) const {
    return core::cat("linear ", part, " ", number, "/", options_.epochs);
  }
  // "run 3m 20s  ", by the epochs of this call; nothing in the first of them.
  std::string run_left(int64_t number) const {
    const int64_t made = number - first_->first;
    if (made == 0) return "";
    const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
    const double each = seconds(epoch_start_ - first_->second) / static_cast<double>(made);
    const double left = each * static_cast<double>(options_.epochs - number + 1) -
                        seconds(Clock::now() - epoch_start_);
    return core::cat("run ", core::human_duration(std::max(0., left)), "  ");
  }
  Totals new_totals(bool by_class = false) const {
    Totals totals;
    for (const LinearHeads& heads : heads_) totals.push_back(heads.new_totals(by_class));
    return totals;
  }
  // What one head reached in an epoch, from now on summed over the ranks.
  LinearEpoch summed(int64_t number, size_t head, LinearTotals& train, LinearTotals& held,
                     LinearTotals& test) const {
    for (LinearTotals* const totals : {&train, &test}) totals->sum(group());
    const auto a = train.read(), b = test.read();
    LinearEpoch e{number, a.loss, a.top1, a.top5, b.loss, b.top1, b.top5};
    e.class_top1 = b.class_top1;
    e.head = static_cast<int64_t>(head);
    if (!split_.held) return e;
    held.sum(group());
    const auto c = held.read();
    e.held_loss = c.loss;
    e.held_top1 = c.top1;
    e.held_top5 = c.top5;
    return e;
  }

  // This rank's share of the batch that starts at place `start` of an epoch: features h (n, F) and
  // the images' places in the training set, (n) int64, on the device.
  using Rows = std::function<std::pair<torch::Tensor, torch::Tensor>(int64_t start,
                                                                     const dist::Shares& shares)>;

  // From augmented views, which the encoder embeds batch by batch.
  Rows encoded_rows(int64_t number, int64_t least) {
    const std::shared_ptr<data::Loader> loader = linear_views(
        *split_.train, augment_, options_.seed, number, options_.batch_size, least, run_);
    return [this, loader](int64_t, const dist::Shares& shares) {
      const auto [views, index] = next_share(*loader, shares);
      return std::pair(shares.size() > 0 ? encode(views) : torch::Tensor(), index);
    };
  }

  // From features that were computed once, in the order that the views would have.
  Rows cached_rows(int64_t number) const {
    const core::KeyedRandom draw(options_.seed, core::Purpose::kLinearOrder,
                                 static_cast<uint64_t>(number));
    const torch::Tensor order =
        core::to_device(torch::tensor(core::permutation(draw, split_.train->size())), run_.device);
    return [this, order](int64_t start, const dist::Shares& shares) {
      const torch::Tensor index = order.narrow(0, start + shares.first(), shares.size());
      return std::pair(train_features_.index_select(0, index), index);
    };
  }

  // Makes train_features_ once; false once the ranks stop. L-BFGS needs this rank's share alone,
  // a batch may be anywhere.
  bool cache_features(int64_t number) {
    if (train_features_.defined()) return true;
    const auto own =
        embed_test_views(model_, *split_.train, run_, label("features", number), FeatureKind::kH);
    if (!own.defined()) return false;
    train_features_ = options_.solver == LinearSolver::kLbfgs
                          ? own
                          : dist::gather_rows(group(), own, {split_.train->size(), group()});
    return true;
  }

  Totals minimize(int64_t number) {
    auto totals = new_totals();
    if (!cache_features(number)) return totals;
    const dist::Shares shares(split_.train->size(), group());
    for (size_t f = 0; f < heads_.size(); ++f) {
      const std::string name = split_.train->factors()[f].name;
      if (!heads_[f].minimize(train_features_, shares, group(), name, totals[f])) break;
    }
    return totals;
  }

  Totals train_epoch(int64_t number) {
    const model::KeepMode keep_mode(*model_,
                                    frozen() ? model::Mode::kEvaluation : model::Mode::kTraining);
    const bool needs_two =
        !frozen() && has_one_value_a_channel(linear_shape(*split_.train, augment_));
    const int64_t size = split_.train->size(), batch_size = options_.batch_size,
                  least = needs_two ? 2 : 1;
    auto totals = new_totals();
    if (options_.cache && !cache_features(number)) return totals;
    const Rows rows = options_.cache ? cached_rows(number) : encoded_rows(number, least);
    core::Progress progress(label("train", number), size, "images");
    for (int64_t start = 0; start < size && !group().agreement().stop(); start += batch_size) {
      const dist::Shares shares(std::min(batch_size, size - start), group(), least);
      if (needs_two && shares.total() == 1) {
        leave_out(/*is_all=*/start == 0);
        continue;
      }
      const auto [h, index] = rows(start, shares);
      for (size_t f = 0; f < heads_.size(); ++f)
        heads_[f].train(h, index, shares, group(), totals[f]);
      progress.update(start + shares.total(),
                      progress.due() ? run_left(number) + words(totals[0][0]) : "");
    }
    return totals;
  }

  // This rank's images of a batch and their numbers, on the device; undefined where it has none. A
  // last batch that fewer ranks share may give it more than a full one does: two of the loader's.
  std::pair<torch::Tensor, torch::Tensor> next_share(data::Loader& loader,
                                                     const dist::Shares& shares) const {
    std::vector<torch::Tensor> views, index;
    for (int64_t found = 0; found < shares.size();) {
      const auto batch = loader.next();
      TORCH_INTERNAL_ASSERT(batch);
      views.push_back(augment::normalised(core::to_device(batch->views[0], run_.device)));
      index.push_back(core::to_device(batch->index, run_.device));
      found += batch->index.size(0);
    }
    if (views.size() < 2)
      return views.empty() ? std::pair<torch::Tensor, torch::Tensor>()
                           : std::pair(views[0], index[0]);
    return {torch::cat(views), torch::cat(index)};
  }

  // Says once that a lone image is not trained on; an error where the epoch has no other batch.
  void leave_out(bool is_all) {
    const std::string found = core::cat(
        "--batch_size ", options_.batch_size, ": ", is_all ? "each batch" : "the last batch",
        " is one image of at most 8x8 pixels, of which --bn train can take no statistics");
    if (is_all)
      throw core::UserError(found + "; choose a larger --batch_size or --crop_size, or --bn eval");
    if (!has_left_out_) core::log_warning(found + ": it is left out of every epoch");
    has_left_out_ = true;
  }

  torch::Tensor encode(const torch::Tensor& views) {
    const torch::NoGradGuard no_grad;
    const model::Autocast autocast(run_.device, run_.bf16);
    return model_->encode(views);
  }

  // Tests every head on a set's test views. Their features are the same each epoch, and kept in
  // `features`, where nothing in the encoder moves. Adds nothing once the ranks stop.
  void test_on(const data::ImageSet& set,
               void (LinearHeads::*test)(const torch::Tensor&, const dist::Shares&,
                                         std::vector<LinearTotals>&) const,
               torch::Tensor& features, int64_t number, Totals& totals) {
    if (!frozen() || !features.defined())
      features = embed_test_views(model_, set, run_, label("test", number), FeatureKind::kH);
    if (!features.defined()) return;  // interrupted
    const dist::Shares shares(set.size(), group());
    for (size_t f = 0; f < heads_.size(); ++f) (heads_[f].*test)(features, shares, totals[f]);
  }

  model::Model& model_;
  const LinearSplit split_;
  const data::ImageSet& test_;
  const LinearOptions options_;
  const augment::AugmentOptions augment_;
  const RunOptions run_;
  std::vector<LinearHeads> heads_;  // of each factor
  std::vector<std::vector<LinearEpoch>> of_heads_;
  torch::Tensor train_features_;  // cached: h of all training images, or with L-BFGS of this rank's
  torch::Tensor held_features_;   // h of this rank's share of the held-out images, (n, F)
  torch::Tensor test_features_;   // and of the test images
  bool has_left_out_ = false;     // an image, and said so
  // The first epoch of this call and its start; the start of the newest.
  std::optional<std::pair<int64_t, Clock::time_point>> first_;
  Clock::time_point epoch_start_;
};

core::NamedValues scores_of(const LinearEpoch& epoch) {
  core::NamedValues scores = {{"train_loss", epoch.train_loss},  {"train_acc@1", epoch.train_top1},
                              {"train_acc@5", epoch.train_top5}, {"test_loss", epoch.test_loss},
                              {"test_acc@1", epoch.test_top1},   {"test_acc@5", epoch.test_top5},
                              {"class_acc@1", epoch.class_top1}};
  if (!std::isnan(epoch.held_top1)) {
    scores.insert(scores.end(), {{"held_out_loss", epoch.held_loss},
                                 {"held_out_acc@1", epoch.held_top1},
                                 {"held_out_acc@5", epoch.held_top5}});
  }
  return scores;
}

bool is_better(const LinearEpoch& a, const LinearEpoch& b) {
  if (std::isnan(a.held_top1)) return a.test_top1 > b.test_top1;
  return a.held_loss < b.held_loss || (std::isnan(b.held_loss) && !std::isnan(a.held_loss));
}

LinearProbe::LinearProbe(model::Model& model, const data::ImageSet& train,
                         const data::ImageSet& test, const LinearOptions& options,
                         const augment::AugmentOptions& augment, const RunOptions& run)
    : impl_(std::make_unique<Impl>(model, train, test, options, augment, run)) {}

LinearProbe::~LinearProbe() = default;

std::optional<std::vector<LinearEpoch>> LinearProbe::epoch(int64_t number) {
  return impl_->epoch(number);
}

const std::vector<std::vector<LinearEpoch>>& LinearProbe::heads() const { return impl_->heads(); }

NamedTensors LinearProbe::classifier(size_t factor, int64_t head) const {
  return impl_->classifier(factor, head);
}

std::optional<std::vector<Predictions>> LinearProbe::predict(const std::vector<int64_t>& heads) {
  return impl_->predict(heads);
}

NamedTensors LinearProbe::state() const { return impl_->state(); }

void LinearProbe::restore(const NamedTensors& state, const std::string& source) {
  impl_->restore(state, source);
}

}  // namespace ipirm::eval
