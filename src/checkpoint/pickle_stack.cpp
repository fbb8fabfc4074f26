// The stack machine's state: values by number, their stack and its marks, every access checked.
#include "checkpoint/pickle_stack.h"

#include <utility>

#include "checkpoint/layout.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {

using core::cat;
using Kind = Value::Kind;

namespace {
constexpr size_t kMaxValues = size_t{1} << 21;  // some 200 MB
}

void PickleStack::fail(const std::string& problem) const {
  throw core::UserError(cat(place_, ": byte ", opcode_at_, ": ", problem));
}

ValueId PickleStack::make(Kind kind, int64_t number) {
  if (values_.size() >= kMaxValues) {
    fail(cat("more than ", kMaxValues, " values", kMendByHand));
  }
  Value& value = values_.emplace_back();
  value.kind = kind;
  value.number = number;
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId PickleStack::make_dict(Ids items) {
  const ValueId id = make(Kind::kDict);
  values_[id].items = std::move(items);
  return id;
}

void PickleStack::push_text(Kind kind, std::span<const uint8_t> bytes) {
  push(kind);
  values_[stack_.back()].text.assign(bytes.begin(), bytes.end());
}

void PickleStack::push_tuple(Ids items) {
  push(Kind::kTuple);
  values_[stack_.back()].items = std::move(items);
}

ValueId PickleStack::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
    fail("takes a value from an empty stack");
  const ValueId id = stack_.back();
  stack_.pop_back();
  return id;
}

Ids PickleStack::pop_mark() {
  if (marks_.empty()) fail("goes back to a mark that was never set");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  Ids items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

ValueId PickleStack::top_id() {
  const ValueId id = pop();
  stack_.push_back(id);
  return id;
}

Value* PickleStack::top(Kind kind, const char* action) {
  Value& value = values_[top_id()];
  if (value.kind == Kind::kOpaque) return nullptr;
  if (value.kind != kind) {
    fail(cat(action, " ", kind_name(value.kind), ", expected ", kind_name(kind), kMendByHand));
  }
  return &value;
}

const Value& PickleStack::expect(ValueId id, Kind kind, const char* what) const {
  const Value& value = values_[id];
  if (value.kind != kind) {
    fail(cat(what, " is ", kind_name(value.kind), ", expected ", kind_name(kind), kMendByHand));
  }
  return value;
}

std::vector<int64_t> PickleStack::integers(ValueId id, const char* what) const {
  const Value& tuple = expect(id, Kind::kTuple, what);
  if (tuple.items.size() > kMaxDimensions) {
    fail(cat(what, " has ", tuple.items.size(), " entries, expected at most ", kMaxDimensions));
  }
  std::vector<int64_t> result;
  for (const ValueId item : tuple.items) result.push_back(expect(item, Kind::kInt, what).number);
  return result;
}

}  // namespace ipirm::checkpoint
