// Gradients that are summed during the last backward pass: when each bucket goes out, and that the
// sums are those of gradients that are summed afterwards.
#include "ipirm/dist/gradient_sum.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "ipirm/dist/collect.h"
#include "support/ranks.h"

namespace ipirm::dist {
namespace {

using torch::Tensor;

// Rank 0 of two, of which the other one has the same gradients. Writes down what is sent, and when
// it is waited for.
class Recorder : public Group {
 public:
  explicit Recorder(std::vector<std::string>& events) : events_(events) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::unique_ptr<Pending> start_sum(const Tensor& tensor) override {
    events_.push_back("send " + std::to_string(tensor.numel()));
    tensor.mul_(2);
    return std::make_unique<Waited>(events_);
  }
  Tensor gather(const Tensor& rows) override { return rows; }
  void broadcast(const Tensor&) override {}
  void barrier() override {}

 private:
  struct Waited : Pending {
    explicit Waited(std::vector<std::string>& to) : events(to) {}
    void wait() override { events.emplace_back("wait"); }
    std::vector<std::string>& events;
  };
  std::vector<std::string>& events_;
};

// Three layers of 6, 8 and 10 weights; the gradient's arrival behind the first two is written down.
struct Network {
  explicit Network(std::vector<std::string>& to) : events(to) {
    for (const int64_t columns : {3, 4, 5})
      weights.push_back(
          (torch::arange(2. * columns).view({2, columns}) * .3).sin().requires_grad_());
  }
  Tensor loss(const Tensor& x) const {
    const auto note = [this](Tensor y, const char* what) {
      y.register_hook([this, what](const Tensor&) { events.emplace_back(what); });
      return y;
    };
    auto y = note(x.mm(weights[0]).sum(1, true).tanh().expand({-1, 2}), "first");
    y = note(y.mm(weights[1]).sum(1, true).tanh().expand({-1, 2}), "second");
    return y.mm(weights[2]).square().sum();
  }
  std::vector<Tensor> weights;
  std::vector<std::string>& events;
};

Tensor input(double seed) { return (torch::arange(8.).view({4, 2}) + seed).cos(); }

TEST(GradientSum, ABucketIsSentWhileTheBackwardPassGoesOn) {
  std::vector<std::string> events;
  Recorder group(events);
  const Network network(events);
  GradientSum sum(group, network.weights, /*bucket_bytes=*/1);
  sum.add(network.loss(input(0)), /*is_last=*/true);
  using Events = std::vector<std::string>;
  EXPECT_EQ(events, (Events{"send 10", "second", "send 8", "first", "send 6"}));
  events.clear();
  sum.take();
  EXPECT_EQ(events, (Events{"wait", "wait", "wait"}));
}

TEST(GradientSum, NothingIsSentBeforeTheLastPass) {
  std::vector<std::string> events;
  Recorder group(events);
  const Network network(events);
  GradientSum sum(group, network.weights);
  sum.add(network.loss(input(0)), /*is_last=*/false);
  EXPECT_EQ(events, (std::vector<std::string>{"second", "first"}));
  sum.add(network.loss(input(1)), /*is_last=*/true);
  EXPECT_EQ(events.back(), "send 24");  // one bucket holds all
}

// Parameters stand in another order than the engine completes them: the buckets' order rules.
TEST(GradientSum, BucketsGoOutInTheirOwnOrder) {
  std::vector<std::string> events;
  Recorder group(events);
  Network network(events);
  GradientSum sum(group, {network.weights[2], network.weights[0], network.weights[1]}, 1);
  sum.add(network.loss(input(0)), /*is_last=*/true);
  EXPECT_EQ(events, (std::vector<std::string>{"second", "send 8", "first", "send 6", "send 10"}));
}

TEST(GradientSum, AParameterWithoutAGradientIsSentAtTheEnd) {
  std::vector<std::string> events;
  Recorder group(events);
  const Network network(events);
  auto parameters = network.weights;
  parameters.push_back(torch::ones({7}).requires_grad_());
  GradientSum sum(group, parameters, 1);
  sum.add(network.loss(input(0)), /*is_last=*/true);
  EXPECT_EQ(events, (std::vector<std::string>{"second", "first"}));
  const auto sums = sum.take();
  EXPECT_EQ(events[2], "send 7");
  EXPECT_TRUE(torch::equal(sums[3], torch::zeros({7})));
}

TEST(GradientSum, AStepLeavesNeitherGradientsNorHooks) {
  std::vector<std::string> events;
  Recorder group(events);
  const Network network(events);
  const auto kept = network.loss(input(0));  // its graph holds the nodes that had the hooks
  {
    GradientSum sum(group, network.weights);
    sum.add(network.loss(input(1)), /*is_last=*/true);
    sum.take();
  }
  for (const auto& weight : network.weights) EXPECT_FALSE(weight.grad().defined());
  events.clear();
  torch::autograd::backward({kept});
  EXPECT_EQ(events, (std::vector<std::string>{"second", "first"}));
}

TEST(GradientSum, TheSumsAreThoseOfGradientsThatAreSummedAfterwards) {
  for (const int size : {1, 2, 4}) {
    ranks::run(size, [](Group& group) {
      const auto images = torch::arange(2. * 3 * 4 * 4).view({2, 3, 4, 4}).sin() + group.rank();
      const auto kernel = torch::arange(5. * 3 * 3 * 3)
                              .view({5, 3, 3, 3})
                              .cos()
                              .contiguous(torch::MemoryFormat::ChannelsLast)
                              .requires_grad_();
      const auto bias = torch::ones({5}, torch::kFloat64).requires_grad_();
      const auto loss = [&](double factor) {
        const auto out =
            torch::conv2d(images * factor, kernel).to(torch::kFloat64) + bias.view({1, 5, 1, 1});
        return out.square().mean();
      };
      GradientSum sum(group, {kernel, bias}, /*bucket_bytes=*/8);
      sum.add(loss(1), /*is_last=*/false);
      sum.add(loss(2), /*is_last=*/true);
      const auto found = sum.take();
      auto expected = torch::autograd::grad({loss(1)}, {kernel, bias});
      const auto second = torch::autograd::grad({loss(2)}, {kernel, bias});
      for (size_t i = 0; i < 2; ++i) expected[i] = expected[i] + second[i];
      sum_gradients(group, expected);
      for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(torch::equal(found[i], expected[i])) << i;
      EXPECT_EQ(found[0].strides(), kernel.strides());
    });
  }
}

}  // namespace
}  // namespace ipirm::dist
