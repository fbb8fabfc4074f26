// The stack of values that a pickle's opcodes work on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/unpickler.h"

namespace ipirm::checkpoint {

using Ids = std::vector<ValueId>;

// The hint of messages on files that may be sound but hold what is not read here.
inline constexpr const char* kMendByHand =
    "; load it in Python, keep its tensors alone and torch.save them again, if you trust the file";

// Values lie in a list of their own and are never freed before the end: the stack, containers and
// the memo hold numbers, so that values that contain themselves cost nothing. Whatever cannot be
// done throws UserError.
class PickleStack {
 public:
  explicit PickleStack(std::string place) : place_(std::move(place)) {}

  // Messages name this place from now on.
  void set_position(size_t opcode_at) { opcode_at_ = opcode_at; }
  [[noreturn]] void fail(const std::string& problem) const;

  // Makes a new value, which push() puts on the stack as well. There are at most kMaxValues.
  ValueId make(Value::Kind kind, int64_t number = 0);
  ValueId make_dict(Ids items);
  void push(Value::Kind kind, int64_t number = 0) { stack_.push_back(make(kind, number)); }
  void push_id(ValueId id) { stack_.push_back(id); }
  void push_text(Value::Kind kind, std::span<const uint8_t> bytes);
  void push_tuple(Ids items);

  ValueId pop();
  // The values since the last mark; removes both.
  Ids pop_mark();
  void mark() { marks_.push_back(stack_.size()); }
  bool empty() const { return stack_.empty() && marks_.empty(); }

  // The value on top, which must be of this kind, or nullptr if it is opaque; action: "appends to".
  Value* top(Value::Kind kind, const char* action);
  ValueId top_id();
  const Value& value(ValueId id) const { return values_[id]; }
  bool is_opaque(ValueId id) const { return values_[id].kind == Value::Kind::kOpaque; }
  // The value, which must be of this kind; what: "a tensor's offset".
  const Value& expect(ValueId id, Value::Kind kind, const char* what) const;
  // The ints of a tuple of at most kMaxDimensions.
  std::vector<int64_t> integers(ValueId id, const char* what) const;

  std::deque<Value> take_values() { return std::move(values_); }

 private:
  std::string place_;
  size_t opcode_at_ = 0;
  std::deque<Value> values_;
  Ids stack_;
  std::vector<size_t> marks_;  // heights of the stack
};

}  // namespace ipirm::checkpoint
