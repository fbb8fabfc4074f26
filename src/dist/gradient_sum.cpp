// Sends each bucket of gradients from a hook behind the node of the engine that completes it.
#include "ipirm/dist/gradient_sum.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <numeric>
#include <utility>

#include "dist/gradient_buckets.h"

namespace ipirm::dist {

using torch::autograd::Node;
using torch::autograd::variable_list;

// What is sent of one step, and the hooks by which the engine tells that a gradient is whole.
class GradientSum::Sending {
 public:
  Sending(const GradientSum& sum, Group& group, int64_t bucket_bytes)
      : sum_(sum), group_(group), gradients_(sum.parameters_.size()) {
    std::vector<size_t> backwards(gradients_.size());
    std::iota(backwards.rbegin(), backwards.rend(), size_t{0});
    buckets_ = make_buckets(sum.parameters_, backwards, bucket_bytes);
    bucket_of_.resize(gradients_.size());
    for (size_t b = 0; b < buckets_.size(); ++b) {
      missing_.push_back(buckets_[b].members.size());
      for (const size_t number : buckets_[b].members) bucket_of_[number] = b;
    }
  }

  ~Sending() {
    for (const auto& [node, key] : hooks_) node->del_post_hook(key);
  }

  // From now on a gradient that the engine has added up is taken for whole.
  void listen() {
    using Hook = torch::autograd::utils::LambdaPostHook;
    for (size_t number = 0; number < gradients_.size(); ++number) {
      auto node = torch::autograd::impl::grad_accumulator(sum_.parameters_[number]);
      const auto key = node->add_post_hook(std::make_unique<Hook>(
          [this, number](const variable_list& outputs, const variable_list&) {
            is_whole(number);
            return outputs;
          }));
      hooks_.emplace_back(std::move(node), key);
    }
  }

  std::vector<torch::Tensor> finish() {
    while (next_ < buckets_.size()) send_next();
    for (auto& bucket : buckets_) finish_bucket(bucket, gradients_);
    return std::move(gradients_);
  }

 private:
  void is_whole(size_t number) {
    --missing_[bucket_of_[number]];
    while (next_ < buckets_.size() && missing_[next_] == 0) send_next();
  }

  void send_next() {
    auto& bucket = buckets_[next_++];
    const at::NoGradGuard no_grad;
    for (const size_t number : bucket.members) gradients_[number] = sum_.gradient_of(number);
    start_bucket(group_, bucket, gradients_);
  }

  const GradientSum& sum_;
  Group& group_;
  std::vector<torch::Tensor> gradients_;  // of the buckets that were sent
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_, missing_;  // of each parameter; of each bucket
  size_t next_ = 0;                          // bucket
  std::vector<std::pair<std::shared_ptr<Node>, uintptr_t>> hooks_;
};

GradientSum::GradientSum(Group& group, std::vector<torch::Tensor> parameters, int64_t bucket_bytes)
    : parameters_(std::move(parameters)),
      sending_(group.is_alone() ? nullptr : std::make_unique<Sending>(*this, group, bucket_bytes)) {
}

GradientSum::~GradientSum() {
  for (auto parameter : parameters_) parameter.mutable_grad().reset();
}

torch::Tensor GradientSum::gradient_of(size_t number) const {
  const auto& gradient = parameters_[number].grad();
  return gradient.defined() ? gradient : torch::zeros_like(parameters_[number]);
}

void GradientSum::add(const torch::Tensor& loss, bool is_last) {
  if (is_last && sending_) sending_->listen();
  if (loss.requires_grad()) torch::autograd::backward({loss});
}

std::vector<torch::Tensor> GradientSum::take() {
  if (sending_) return sending_->finish();
  std::vector<torch::Tensor> gradients;
  for (size_t number = 0; number < parameters_.size(); ++number)
    gradients.push_back(gradient_of(number));
  return gradients;
}

}  // namespace ipirm::dist
