// The linear classifiers of one factor: one for each learning rate with each weight decay.
#include "eval/linear_heads.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/functional/linear.h>
#include <torch/nn/functional/loss.h>

#include <cmath>
#include <memory>

#include "eval/linear_minimum.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/collect.h"

namespace ipirm::eval {
namespace {

constexpr int64_t kRowsOfManyHeads = 4096;  // that are tested at once

torch::Tensor labels_of(const data::Factor& factor, torch::Device device) {
  return core::to_device(torch::tensor(factor.values, torch::kInt64), device);
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

torch::Tensor loss_of(const torch::Tensor& logits, const torch::Tensor& labels) {
  return torch::nn::functional::cross_entropy(logits, labels);
}

}  // namespace

LinearHeads::LinearHeads(const LinearSplit& split, const data::ImageSet& test, int factor,
                         int64_t inputs, const LinearOptions& options, torch::Device device)
    : options_(options), device_(device) {
  const data::Factor& train_factor = known_factor(*split.train, factor, "training");
  const data::Factor& test_factor = known_factor(test, factor, "test");
  if (train_factor.num_values != test_factor.num_values) {
    throw core::UserError(core::cat("factor ", train_factor.name, ": ", train_factor.num_values,
                                    " values in the training images, ", test_factor.num_values,
                                    " in the test images; expected as many"));
  }
  num_values_ = train_factor.num_values;
  train_labels_ = labels_of(train_factor, device);
  test_labels_ = labels_of(test_factor, device);
  if (split.held) held_labels_ = labels_of(known_factor(*split.held, factor, "training"), device);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (int64_t head = 0; head < options.num_heads(); ++head) {
    classifiers_.push_back(make_classifier(inputs, num_values_, options.seed, device));
    auto own = std::make_unique<torch::optim::AdamOptions>(options.lr_of(head));
    own->weight_decay(options.weight_decay_of(head));
    groups.emplace_back(classifiers_.back()->parameters(), std::move(own));
  }
  adam_.emplace(groups);
  // What Adam would make at its first step, made now so that a state can be put in its place.
  for (const auto& classifier : classifiers_) {
    for (const torch::Tensor& parameter : classifier->parameters()) {
      auto moments = std::make_unique<torch::optim::AdamParamState>();
      moments->exp_avg(torch::zeros_like(parameter));
      moments->exp_avg_sq(torch::zeros_like(parameter));
      adam_->state()[parameter.unsafeGetTensorImpl()] = std::move(moments);
    }
  }
}

std::vector<LinearTotals> LinearHeads::new_totals(bool by_class) const {
  std::vector<LinearTotals> totals;
  for (size_t head = 0; head < size(); ++head)
    totals.emplace_back(device_, by_class ? num_values_ : 0);
  return totals;
}

std::vector<torch::Tensor> LinearHeads::logits(const torch::Tensor& h) const {
  if (size() == 1) return {classifiers_[0](h)};
  std::vector<torch::Tensor> weights, biases;
  for (const auto& classifier : classifiers_) {
    weights.push_back(classifier->weight);
    biases.push_back(classifier->bias);
  }
  return torch::nn::functional::linear(h, torch::cat(weights), torch::cat(biases))
      .split(num_values_, /*dim=*/1);
}

void LinearHeads::train(const torch::Tensor& h, const torch::Tensor& index,
                        const dist::Shares& shares, dist::Group& group,
                        std::vector<LinearTotals>& totals) {
  adam_->zero_grad();
  if (shares.size() > 0) {
    const torch::Tensor labels = train_labels_.index_select(0, index);
    const auto of_heads = logits(h);
    std::vector<torch::Tensor> losses;
    for (const auto& own : of_heads) losses.push_back(loss_of(own, labels));
    // No head's gradient sees another's loss in the sum.
    const torch::Tensor loss = size() == 1 ? losses[0] : torch::stack(losses).sum();
    const double part = static_cast<double>(shares.size()) / static_cast<double>(shares.total());
    (part == 1 ? loss : part * loss).backward();
    for (size_t head = 0; head < size(); ++head)
      totals[head].add(losses[head], of_heads[head], labels);
  }
  sum_gradients(group);
  adam_->step();
}

bool LinearHeads::minimize(const torch::Tensor& h, const dist::Shares& shares, dist::Group& group,
                           const std::string& label, std::vector<LinearTotals>& totals) {
  std::vector<LinearMinimum> minima;
  const LinearProblem problem(h, shares.own(train_labels_), num_values_, shares.total(), group);
  for (size_t head = 0; head < size(); ++head) {
    const double decay = options_.weight_decay_of(static_cast<int64_t>(head));
    const auto minimum = problem.minimize(decay, label);
    if (!minimum) return false;
    minima.push_back(*minimum);
  }
  {
    const torch::NoGradGuard no_grad;
    for (size_t head = 0; head < size(); ++head) {
      classifiers_[head]->weight.copy_(minima[head].weight);
      classifiers_[head]->bias.copy_(minima[head].bias);
    }
  }
  measure(h, shares, train_labels_, totals);
  return true;
}

void LinearHeads::measure(const torch::Tensor& h, const dist::Shares& shares,
                          const torch::Tensor& all_labels,
                          std::vector<LinearTotals>& totals) const {
  const torch::NoGradGuard no_grad;
  if (shares.size() == 0) return;
  const torch::Tensor all = shares.own(all_labels);
  // The logits of many heads together may need more memory than the features.
  const int64_t rows = size() == 1 ? h.size(0) : kRowsOfManyHeads;
  for (int64_t start = 0; start < h.size(0); start += rows) {
    const auto of_heads = logits(h.slice(0, start, start + rows));
    const torch::Tensor labels = all.slice(0, start, start + rows);
    for (size_t head = 0; head < size(); ++head)
      totals[head].add(loss_of(of_heads[head], labels), of_heads[head], labels);
  }
}

std::pair<torch::Tensor, torch::Tensor> LinearHeads::predict(const torch::Tensor& h,
                                                             size_t head) const {
  const torch::NoGradGuard no_grad;
  const auto [probability, value] = classifiers_[head](h).softmax(1).max(1);
  return {value, probability};
}

NamedTensors LinearHeads::parameters(size_t head) const {
  return {{"weight", classifiers_[head]->weight.detach()},
          {"bias", classifiers_[head]->bias.detach()}};
}

void LinearHeads::add_state(NamedTensors& tensors, size_t factor) const {
  for (size_t head = 0; head < size(); ++head) {
    for (const auto& item : classifiers_[head]->named_parameters()) {
      const auto& moments = moments_of(item.value());
      const auto name = [&](const char* what) {
        return state_name(what, factor, head, item.key());
      };
      tensors.emplace_back(name("classifier"), item.value().detach());
      tensors.emplace_back(name("adam_first"), moments.exp_avg());
      tensors.emplace_back(name("adam_second"), moments.exp_avg_sq());
      tensors.emplace_back(name("adam_step"), torch::tensor(moments.step(), torch::kInt64));
    }
  }
}

void LinearHeads::restore(size_t factor,
                          const std::function<void(const std::string&, torch::Tensor)>& fill) {
  for (size_t head = 0; head < size(); ++head) {
    for (const auto& item : classifiers_[head]->named_parameters()) {
      auto& moments = moments_of(item.value());
      torch::Tensor step = torch::zeros({}, torch::kInt64);
      fill(state_name("classifier", factor, head, item.key()), item.value());
      fill(state_name("adam_first", factor, head, item.key()), moments.exp_avg());
      fill(state_name("adam_second", factor, head, item.key()), moments.exp_avg_sq());
      fill(state_name("adam_step", factor, head, item.key()), step);
      moments.step(step.item<int64_t>());
    }
  }
}

void LinearHeads::sum_gradients(dist::Group& group) {
  if (group.is_alone()) return;
  std::vector<torch::Tensor> parameters, gradients;
  for (const auto& classifier : classifiers_) {
    for (const torch::Tensor& p : classifier->parameters()) {
      parameters.push_back(p);
      gradients.push_back(p.grad().defined() ? p.grad() : torch::zeros_like(p));
    }
  }
  dist::sum_gradients(group, gradients);
  // (They come as views, which zero_grad() would refuse.)
  for (size_t i = 0; i < gradients.size(); ++i) parameters[i].mutable_grad() = gradients[i].clone();
}

// NAME.FACTOR.PARAMETER of a lone head, NAME.FACTOR.HEAD.PARAMETER of one of several.
std::string LinearHeads::state_name(const char* what, size_t factor, size_t head,
                                    const std::string& parameter) const {
  return size() == 1 ? core::cat(what, ".", factor, ".", parameter)
                     : core::cat(what, ".", factor, ".", head, ".", parameter);
}

torch::optim::AdamParamState& LinearHeads::moments_of(const torch::Tensor& parameter) const {
  return static_cast<torch::optim::AdamParamState&>(
      *adam_->state().at(parameter.unsafeGetTensorImpl()));
}

}  // namespace ipirm::eval
