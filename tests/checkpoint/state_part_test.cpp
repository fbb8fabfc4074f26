// A state as a list of parts: what joins later, what is left over, and what does not fit.
#include "ipirm/checkpoint/state_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "support/user_error.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A vector of two numbers under `name`. optional: joined later, and does without.
struct Pair : StatePart {
  explicit Pair(std::string given, bool joined_later = false)
      : name(std::move(given)), optional(joined_later) {}
  StateDict state() const override { return {{name, values}}; }
  void load(SavedTensors& saved) override {
    if (!optional || saved.holds(name)) values = saved.take(name, {2}, torch::kFloat32);
  }
  std::string name;
  bool optional;
  torch::Tensor values = torch::zeros({2});
};

TEST(StateParts, GiveTheirTensorsAndTakeThemBack) {
  const auto first = std::make_shared<Pair>("first"), second = std::make_shared<Pair>("second");
  first->values = torch::tensor({1.f, 2.f});
  second->values = torch::tensor({3.f, 4.f});
  SavedTensors saved(state_of({first, second}), "state.pt");
  const auto again = std::make_shared<Pair>("first"), other = std::make_shared<Pair>("second");
  load_parts({other, again}, saved);  // in any order
  EXPECT_TRUE(torch::equal(again->values, first->values));
  EXPECT_TRUE(torch::equal(other->values, second->values));
}

TEST(StateParts, APartThatJoinedLaterDoesWithoutItsTensors) {
  SavedTensors saved(state_of({std::make_shared<Pair>("first")}), "state.pt");
  const auto queue = std::make_shared<Pair>("queue", /*joined_later=*/true);
  queue->values = torch::ones({2});
  load_parts({std::make_shared<Pair>("first"), queue}, saved);
  EXPECT_TRUE(torch::equal(queue->values, torch::ones({2})));
}

TEST(StateParts, WhatNoPartTakesIsRefused) {
  SavedTensors saved({{"first", torch::zeros({2})},
                      {"queue", torch::zeros({2})},
                      {"queue.head", torch::zeros({})}},
                     "state.pt");
  EXPECT_THAT(test::user_error([&] { load_parts({std::make_shared<Pair>("first")}, saved); }),
              AllOf(HasSubstr("state.pt: holds 'queue' and 1 more tensors"),
                    HasSubstr("resume with the settings")));
}

TEST(StateParts, WhatIsMissingOrOfAnotherFormIsNamed) {
  const auto load = [](StateDict tensors) {
    SavedTensors saved(std::move(tensors), "state.pt");
    load_parts({std::make_shared<Pair>("first")}, saved);
  };
  EXPECT_THAT(test::user_error([&] { load({}); }), HasSubstr("state.pt: 'first' is missing"));
  EXPECT_THAT(test::user_error([&] {
                load({{"first", torch::zeros({3})}});
              }),
              HasSubstr("'first' is [3] Float, this run needs [2] Float"));
  EXPECT_THAT(test::user_error([&] {
                load({{"first", torch::zeros({2}, torch::kInt64)}});
              }),
              HasSubstr("[2] Long"));
}

TEST(StateParts, TwoOfOneNameAreAFault) {
  EXPECT_THROW(state_of({std::make_shared<Pair>("first"), std::make_shared<Pair>("first")}),
               c10::Error);
}

TEST(SavedTensors, TakesAllThatBeginAlike) {
  SavedTensors saved(
      {{"a.1", torch::zeros({})}, {"b", torch::zeros({})}, {"a.2", torch::zeros({})}}, "state.pt");
  EXPECT_EQ(saved.take_all("a.").size(), 2u);
  EXPECT_EQ(saved.left(), std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace ipirm::checkpoint
