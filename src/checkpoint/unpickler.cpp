// The opcodes of Python's pickletools that occur in torch files, over a stack of value numbers.
#include "checkpoint/unpickler.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "checkpoint/byte_reader.h"
#include "checkpoint/opcodes.h"
#include "checkpoint/pickle_objects.h"
#include "checkpoint/pickle_stack.h"
#include "checkpoint/text.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using Kind = Value::Kind;

class Unpickler {
 public:
  Unpickler(std::span<const uint8_t> bytes, const std::string& place)
      : in_(bytes, place), stack_(place), objects_(stack_) {}
  Pickle run(size_t* used);

 private:
  [[noreturn]] void refuse(uint8_t opcode) const;
  // Each runs the opcode if it belongs to its group.
  bool run_scalar(uint8_t opcode);
  bool run_text(uint8_t opcode);
  bool run_container(uint8_t opcode);
  bool run_memo(uint8_t opcode);
  bool run_object(uint8_t opcode);

  void push_long(std::span<const uint8_t> bytes);
  void skip_bytes(uint64_t size, Kind kind);
  Ids pop_several(size_t count);
  void extend(Kind kind, const Ids& items);
  std::string line();

  ByteReader in_;
  PickleStack stack_;
  PickleObjects objects_;
  std::unordered_map<uint32_t, ValueId> memo_;
};

void Unpickler::refuse(uint8_t opcode) const {
  const char* name = "unknown";
  for (const auto& [code, refused] : kRefusedOpcodes) {
    if (code == opcode) name = refused;
  }
  stack_.fail(cat("opcode ", static_cast<int>(opcode), " (", name, ") has no place in a torch file",
                  kMendByHand));
}

// The next `count` values, the last on top.
Ids Unpickler::pop_several(size_t count) {
  Ids items(count);
  std::generate(items.rbegin(), items.rend(), [this] { return stack_.pop(); });
  return items;
}

// Adds to the dict or list on top. An opaque object (a defaultdict, a deque) takes in anything.
void Unpickler::extend(Kind kind, const Ids& items) {
  if (kind == Kind::kDict && items.size() % 2 != 0) stack_.fail("sets a key without a value");
  Value* target = stack_.top(kind, kind == Kind::kDict ? "sets items of" : "appends to");
  if (target == nullptr) return;
  target->items.insert(target->items.end(), items.begin(), items.end());
}

void Unpickler::push_long(std::span<const uint8_t> bytes) {
  if (bytes.size() > sizeof(int64_t)) return stack_.push_text(Kind::kBigInt, bytes);
  // Two's complement, little-endian: the last byte's highest bit fills up.
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
  stack_.push(Kind::kInt, static_cast<int64_t>(value));
}

// What the bytes say is nowhere asked for.
void Unpickler::skip_bytes(uint64_t size, Kind kind) {
  in_.take(size, kind_name(kind));
  stack_.push(kind);
}

bool Unpickler::run_scalar(uint8_t opcode) {
  switch (opcode) {
    case kNone:
      stack_.push(Kind::kNone);
      return true;
    case kNewTrue:
      stack_.push(Kind::kBool, 1);
      return true;
    case kNewFalse:
      stack_.push(Kind::kBool, 0);
      return true;
    case kBinInt:
      stack_.push(Kind::kInt, in_.number<int32_t>("an int"));
      return true;
    case kBinInt1:
      stack_.push(Kind::kInt, in_.number<uint8_t>("an int"));
      return true;
    case kBinInt2:
      stack_.push(Kind::kInt, in_.number<uint16_t>("an int"));
      return true;
    case kLong1:
      push_long(in_.take(in_.number<uint8_t>("an int"), "an int"));
      return true;
    case kLong4:
      skip_bytes(in_.number<uint32_t>("an int"), Kind::kBigInt);
      return true;
    case kBinFloat:
      skip_bytes(8, Kind::kFloat);
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_text(uint8_t opcode) {
  switch (opcode) {
    case kBinUnicode:
    case kBinString:
      stack_.push_text(Kind::kString, in_.take(in_.number<uint32_t>("a string"), "a string"));
      return true;
    case kShortBinUnicode:
    case kShortBinString:
      stack_.push_text(Kind::kString, in_.take(in_.number<uint8_t>("a string"), "a string"));
      return true;
    case kBinUnicode8:
      stack_.push_text(Kind::kString, in_.take(in_.number<uint64_t>("a string"), "a string"));
      return true;
    case kBinBytes:
      skip_bytes(in_.number<uint32_t>("bytes"), Kind::kBytes);
      return true;
    case kShortBinBytes:
      skip_bytes(in_.number<uint8_t>("bytes"), Kind::kBytes);
      return true;
    case kBinBytes8:
    case kByteArray8:
      skip_bytes(in_.number<uint64_t>("bytes"), Kind::kBytes);
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_container(uint8_t opcode) {
  switch (opcode) {
    case kMark:
      stack_.mark();
      return true;
    case kEmptyDict:
      stack_.push(Kind::kDict);
      return true;
    case kEmptyList:
      stack_.push(Kind::kList);
      return true;
    case kEmptyTuple:
      stack_.push(Kind::kTuple);
      return true;
    case kEmptySet:
      objects_.push_opaque("builtins.set");
      return true;
    case kFrozenSet:
      stack_.pop_mark();
      objects_.push_opaque("builtins.frozenset");
      return true;
    case kTuple:
      stack_.push_tuple(stack_.pop_mark());
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3:
      stack_.push_tuple(pop_several(opcode - kTuple1 + 1));
      return true;
    case kSetItem:
      extend(Kind::kDict, pop_several(2));
      return true;
    case kSetItems:
      extend(Kind::kDict, stack_.pop_mark());
      return true;
    case kAppend:
      extend(Kind::kList, pop_several(1));
      return true;
    case kAppends:
    case kAddItems:
      extend(Kind::kList, stack_.pop_mark());
      return true;
    case kPop:
      stack_.pop();
      return true;
    case kPopMark:
      stack_.pop_mark();
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_memo(uint8_t opcode) {
  switch (opcode) {
    case kBinPut:
    case kLongBinPut:
    case kMemoize: {
      const uint32_t slot = opcode == kBinPut       ? in_.number<uint8_t>("a memo slot")
                            : opcode == kLongBinPut ? in_.number<uint32_t>("a memo slot")
                                                    : static_cast<uint32_t>(memo_.size());
      memo_[slot] = stack_.top_id();
      return true;
    }
    case kBinGet:
    case kLongBinGet: {
      const uint32_t slot = opcode == kBinGet ? in_.number<uint8_t>("a memo slot")
                                              : in_.number<uint32_t>("a memo slot");
      const auto found = memo_.find(slot);
      if (found == memo_.end()) stack_.fail(cat("reads memo slot ", slot, ", which holds nothing"));
      stack_.push_id(found->second);
      return true;
    }
    default:
      return false;
  }
}

std::string Unpickler::line() {
  std::string text;
  for (char c; (c = in_.number<char>("a global's name")) != '\n';) text += c;
  return text;
}

bool Unpickler::run_object(uint8_t opcode) {
  switch (opcode) {
    case kGlobal: {
      const std::string module = line();
      objects_.push_global(module, line());
      return true;
    }
    case kStackGlobal: {
      const ValueId name = stack_.pop(), module = stack_.pop();
      objects_.push_global(stack_.expect(module, Kind::kString, "a global's module").text,
                           stack_.expect(name, Kind::kString, "a global's name").text);
      return true;
    }
    case kReduce:
      objects_.reduce();
      return true;
    case kObj: {
      const Ids parts = stack_.pop_mark();  // the class, then arguments
      if (parts.empty()) stack_.fail("makes an object of no class");
      objects_.push_instance(parts[0]);
      return true;
    }
    case kNewObj:
      objects_.push_instance(pop_several(2)[0]);  // class, arguments
      return true;
    case kNewObjEx:
      objects_.push_instance(pop_several(3)[0]);  // class, arguments, keywords
      return true;
    case kBuild:
      objects_.build();
      return true;
    case kBinPersId:
      objects_.load_persistent();
      return true;
    default:
      return false;
  }
}

Pickle Unpickler::run(size_t* used) {
  if (const auto first = in_.number<uint8_t>("a pickle"); first != kProto) refuse(first);
  const int protocol = in_.number<uint8_t>("the protocol");
  if (protocol < 2 || protocol > 5)
    stack_.fail(cat("pickle protocol ", protocol, ", expected 2 to 5"));
  while (true) {
    stack_.set_position(in_.position());
    const auto opcode = in_.number<uint8_t>("an opcode");
    if (opcode == kStop) break;
    if (opcode == kFrame) {
      if (in_.number<uint64_t>("a frame's size") > in_.left())
        stack_.fail("frame is longer than the pickle");
    } else if (!run_scalar(opcode) && !run_text(opcode) && !run_container(opcode) &&
               !run_memo(opcode) && !run_object(opcode)) {
      refuse(opcode);
    }
  }
  const ValueId root = stack_.pop();
  if (!stack_.empty()) stack_.fail("ends with values left over");
  if (used != nullptr) {
    *used = in_.position();
  } else if (in_.left() > 0) {
    stack_.fail(cat(in_.left(), " bytes follow the end"));
  }
  return {stack_.take_values(), objects_.take_storages(), objects_.take_tensors(),
          objects_.take_opaque_names(), root};
}

}  // namespace

const char* kind_name(Value::Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an int";
    case Kind::kBigInt:
      return "an int beyond 64 bits";
    case Kind::kFloat:
      return "a float";
    case Kind::kString:
      return "a string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kGlobal:
      return "a class or function";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      return "an object";
  }
  return "an unknown value";
}

std::string describe(const Pickle& pickle, const Value& value) {
  if (value.kind != Kind::kOpaque) return kind_name(value.kind);
  return cat("an object of ", printable(pickle.opaque_names[static_cast<size_t>(value.number)]));
}

Pickle unpickle(std::span<const uint8_t> bytes, const std::string& place, size_t* used) {
  return Unpickler(bytes, place).run(used);
}

}  // namespace ipirm::checkpoint
