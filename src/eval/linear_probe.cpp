// The linear evaluation of METHOD 7: a frozen encoder, a linear classifier on h, accuracy after
// each epoch.
#include "ipirm/eval/linear_probe.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <iomanip>
#include <map>
#include <optional>
#include <vector>

#include "eval/ranking.h"
#include "eval/views.h"
#include "ipirm/augment/views.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"
#include "ipirm/model/autocast.h"
#include "ipirm/model/keep_mode.h"

namespace ipirm::eval {
namespace {

// Factor number `factor` of a set, checked to be known for every image.
const data::Factor& known_factor(const data::ImageSet& set, int factor, const char* part) {
  const auto& factors = set.factors();
  if (factor < 0 || static_cast<size_t>(factor) >= factors.size()) {
    std::string names;
    for (const data::Factor& f : factors) names += (names.empty() ? "" : ", ") + f.name;
    throw core::UserError(core::cat("factor ", factor, " of the ", part,
                                    " images: there is none; expected 0 to ", factors.size() - 1,
                                    " (", names, ")"));
  }
  const data::Factor& chosen = factors[static_cast<size_t>(factor)];
  for (size_t i = 0; i < chosen.values.size(); ++i) {
    if (chosen.values[i] >= 0 && chosen.values[i] < chosen.num_values) continue;
    throw core::UserError(core::cat("factor ", chosen.name, " of the ", part, " images: image ", i,
                                    " has ", chosen.values[i], "; expected 0 to ",
                                    chosen.num_values - 1,
                                    " (a linear evaluation needs every image labelled)"));
  }
  return chosen;
}

torch::Tensor labels_of(const data::Factor& factor) {
  return torch::tensor(factor.values, torch::kInt64);
}

// PyTorch's default initialisation, from a generator of its own.
torch::nn::Linear make_classifier(int64_t inputs, int64_t outputs, uint64_t seed,
                                  torch::Device device) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  torch::nn::Linear classifier(inputs, outputs);
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  {
    const torch::NoGradGuard no_grad;
    classifier->weight.uniform_(-bound, bound, generator);
    classifier->bias.uniform_(-bound, bound, generator);
  }
  classifier->to(device);
  return classifier;
}

// Sums over images, kept on the device: loss, hits among the first 1 and the first 5, images.
class Totals {
 public:
  explicit Totals(torch::Device device)
      : sums_(torch::zeros({4}, torch::TensorOptions().dtype(torch::kFloat64).device(device))) {}

  void add(const torch::Tensor& mean_loss, const torch::Tensor& logits,
           const torch::Tensor& labels) {
    const torch::NoGradGuard no_grad;
    const double n = static_cast<double>(labels.size(0));
    sums_[0] += mean_loss.detach() * n;
    sums_.slice(0, 1, 3) += count_correct(logits.detach(), labels);
    sums_[3] += n;
  }
  // From now on those of all ranks.
  void sum(dist::Group& group) { group.sum(sums_); }

  struct Means {
    double loss, top1, top5;  // the last two in percent
  };
  // Waits for the device.
  Means read() const {
    const torch::Tensor means = (sums_ / sums_[3]).cpu();
    return {means[0].item<double>(), 100 * means[1].item<double>(), 100 * means[2].item<double>()};
  }

 private:
  torch::Tensor sums_;
};

std::string words(const Totals& totals) {
  const auto [loss, top1, top5] = totals.read();
  std::ostringstream text;
  text << std::fixed << "loss " << std::setprecision(4) << loss << ", acc@1 "
       << std::setprecision(2) << top1;
  return text.str();
}

// Whether an image's values, which the encoder's strides of 8 in all bring down, are one a channel:
// alone it has no variance, and BatchNorm in training mode refuses it.
bool has_one_value_a_channel(const data::ViewShape& shape) {
  return shape.height <= 8 && shape.width <= 8;
}

// One factor's classifier on the common encoder.
class Head {
 public:
  Head(const data::ImageSet& train, const data::ImageSet& test, int factor, int64_t inputs,
       const LinearOptions& options, torch::Device device) {
    const data::Factor& train_factor = known_factor(train, factor, "training");
    const data::Factor& test_factor = known_factor(test, factor, "test");
    if (train_factor.num_values != test_factor.num_values) {
      throw core::UserError(core::cat("factor ", train_factor.name, ": ", train_factor.num_values,
                                      " values in the training images, ", test_factor.num_values,
                                      " in the test images; expected as many"));
    }
    train_labels_ = core::to_device(labels_of(train_factor), device);
    test_labels_ = core::to_device(labels_of(test_factor), device);
    classifier_ = make_classifier(inputs, train_factor.num_values, options.seed, device);
    adam_.emplace(classifier_->parameters(),
                  torch::optim::AdamOptions(options.lr).weight_decay(options.weight_decay));
    // What Adam would make at its first step, made now so that a state can be put in its place.
    for (const torch::Tensor& parameter : classifier_->parameters()) {
      auto moments = std::make_unique<torch::optim::AdamParamState>();
      moments->exp_avg(torch::zeros_like(parameter));
      moments->exp_avg_sq(torch::zeros_like(parameter));
      adam_->state()[parameter.unsafeGetTensorImpl()] = std::move(moments);
    }
  }

  // One step on a batch of which this rank has `shares`: features h (n, F), which carry no graph;
  // index (n) int64, on the device.
  void train(const torch::Tensor& h, const torch::Tensor& index, const dist::Shares& shares,
             dist::Group& group, Totals& totals) {
    adam_->zero_grad();
    if (shares.size() > 0) {
      const torch::Tensor labels = train_labels_.index_select(0, index);
      const torch::Tensor logits = classifier_(h);
      const torch::Tensor loss = torch::nn::functional::cross_entropy(logits, labels);
      const double part = static_cast<double>(shares.size()) / static_cast<double>(shares.total());
      (part == 1 ? loss : part * loss).backward();
      totals.add(loss, logits, labels);
    }
    sum_gradients(group);
    adam_->step();
  }

  // h: of this rank's share of the test images.
  void test(const torch::Tensor& h, const dist::Shares& shares, Totals& totals) {
    const torch::NoGradGuard no_grad;
    if (shares.size() == 0) return;
    const torch::Tensor logits = classifier_(h), labels = shares.own(test_labels_);
    totals.add(torch::nn::functional::cross_entropy(logits, labels), logits, labels);
  }

  // Adds the classifier and Adam's state as NAME.FACTOR; tensors are shared but for the step.
  void add_state(NamedTensors& tensors, size_t factor) const {
    for (const auto& item : classifier_->named_parameters()) {
      const auto& moments = moments_of(item.value());
      tensors.emplace_back(state_name("classifier", factor, item.key()), item.value().detach());
      tensors.emplace_back(state_name("adam_first", factor, item.key()), moments.exp_avg());
      tensors.emplace_back(state_name("adam_second", factor, item.key()), moments.exp_avg_sq());
      tensors.emplace_back(state_name("adam_step", factor, item.key()),
                           torch::tensor(moments.step(), torch::kInt64));
    }
  }
  // fill(name, tensor) copies the saved tensor of that name.
  template <class Fill>
  void restore(size_t factor, const Fill& fill) {
    for (const auto& item : classifier_->named_parameters()) {
      auto& moments = moments_of(item.value());
      torch::Tensor step = torch::zeros({}, torch::kInt64);
      fill(state_name("classifier", factor, item.key()), item.value());
      fill(state_name("adam_first", factor, item.key()), moments.exp_avg());
      fill(state_name("adam_second", factor, item.key()), moments.exp_avg_sq());
      fill(state_name("adam_step", factor, item.key()), step);
      moments.step(step.item<int64_t>());
    }
  }

 private:
  void sum_gradients(dist::Group& group) {
    if (group.is_alone()) return;
    const auto parameters = classifier_->parameters();
    std::vector<torch::Tensor> gradients;
    for (const torch::Tensor& p : parameters)
      gradients.push_back(p.grad().defined() ? p.grad() : torch::zeros_like(p));
    dist::sum_gradients(group, gradients);
    // (They come as views, which zero_grad() would refuse.)
    for (size_t i = 0; i < gradients.size(); ++i)
      parameters[i].mutable_grad() = gradients[i].clone();
  }
  static std::string state_name(const char* what, size_t factor, const std::string& parameter) {
    return core::cat(what, ".", factor, ".", parameter);
  }
  torch::optim::AdamParamState& moments_of(const torch::Tensor& parameter) const {
    return static_cast<torch::optim::AdamParamState&>(
        *adam_->state().at(parameter.unsafeGetTensorImpl()));
  }

  torch::Tensor train_labels_, test_labels_;  // (N), (N_test) int64, on the device
  torch::nn::Linear classifier_{nullptr};
  mutable std::optional<torch::optim::Adam> adam_;  // its state() is not const
};

}  // namespace

class LinearProbe::Impl {
 public:
  Impl(model::Model& model, const data::ImageSet& train, const data::ImageSet& test,
       const LinearOptions& options, const augment::AugmentOptions& augment, const RunOptions& run)
      : model_(model), train_(train), test_(test), options_(options), augment_(augment), run_(run) {
    for (size_t f = 0; f < train.factors().size(); ++f) {
      heads_.emplace_back(train, test, static_cast<int>(f), model->feature_size(), options,
                          run.device);
    }
  }

  std::optional<std::vector<LinearEpoch>> epoch(int64_t number) {
    auto train = train_epoch(number);
    share_statistics();
    auto test = test_epoch(number);
    if (group().agreement().stop()) return std::nullopt;
    std::vector<LinearEpoch> results;
    for (size_t f = 0; f < heads_.size(); ++f) {
      for (Totals* const totals : {&train[f], &test[f]}) totals->sum(group());
      const Totals::Means a = train[f].read(), b = test[f].read();
      results.push_back({number, a.loss, a.top1, a.top5, b.loss, b.top1, b.top5});
    }
    return results;
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
  std::vector<Totals> new_totals() const {
    std::vector<Totals> totals;
    for (size_t f = 0; f < heads_.size(); ++f) totals.emplace_back(run_.device);
    return totals;
  }

  std::vector<Totals> train_epoch(int64_t number) {
    const model::KeepMode keep_mode(*model_,
                                    frozen() ? model::Mode::kEvaluation : model::Mode::kTraining);
    const bool needs_two = !frozen() && has_one_value_a_channel(linear_shape(train_, augment_));
    const int64_t size = train_.size(), batch_size = options_.batch_size, least = needs_two ? 2 : 1;
    const auto loader =
        linear_views(train_, augment_, options_.seed, number, batch_size, least, run_);
    core::Progress progress(label("train", number), size, "images");
    auto totals = new_totals();
    for (int64_t start = 0; start < size && !group().agreement().stop(); start += batch_size) {
      const dist::Shares shares(std::min(batch_size, size - start), group(), least);
      if (needs_two && shares.total() == 1) {
        leave_out(/*is_all=*/start == 0);
        continue;
      }
      const auto [views, index] = next_share(*loader, shares);
      const torch::Tensor h = shares.size() > 0 ? encode(views) : torch::Tensor();
      for (size_t f = 0; f < heads_.size(); ++f)
        heads_[f].train(h, index, shares, group(), totals[f]);
      progress.update(start + shares.total(), progress.due() ? words(totals[0]) : "");
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

  std::vector<Totals> test_epoch(int64_t number) {
    // Test views are the same each epoch, and so are their features where nothing in the encoder
    // moves.
    if (!frozen() || !test_features_.defined())
      test_features_ =
          embed_test_views(model_, test_, run_, label("test", number), FeatureKind::kH);
    auto totals = new_totals();
    if (!test_features_.defined()) return totals;  // interrupted
    const dist::Shares shares(test_.size(), group());
    for (size_t f = 0; f < heads_.size(); ++f) heads_[f].test(test_features_, shares, totals[f]);
    return totals;
  }

  model::Model& model_;
  const data::ImageSet& train_;
  const data::ImageSet& test_;
  const LinearOptions options_;
  const augment::AugmentOptions augment_;
  const RunOptions run_;
  std::vector<Head> heads_;
  torch::Tensor test_features_;  // h of this rank's share of the test images, (n, F)
  bool has_left_out_ = false;    // an image, and said so
};

core::NamedValues scores_of(const LinearEpoch& epoch) {
  return {{"train_loss", epoch.train_loss},  {"train_acc@1", epoch.train_top1},
          {"train_acc@5", epoch.train_top5}, {"test_loss", epoch.test_loss},
          {"test_acc@1", epoch.test_top1},   {"test_acc@5", epoch.test_top5}};
}

LinearProbe::LinearProbe(model::Model& model, const data::ImageSet& train,
                         const data::ImageSet& test, const LinearOptions& options,
                         const augment::AugmentOptions& augment, const RunOptions& run)
    : impl_(std::make_unique<Impl>(model, train, test, options, augment, run)) {}

LinearProbe::~LinearProbe() = default;

std::optional<std::vector<LinearEpoch>> LinearProbe::epoch(int64_t number) {
  return impl_->epoch(number);
}

NamedTensors LinearProbe::state() const { return impl_->state(); }

void LinearProbe::restore(const NamedTensors& state, const std::string& source) {
  impl_->restore(state, source);
}

}  // namespace ipirm::eval
