// The opcodes of Python's pickle (pickletools.py, protocols 2 to 5): those that torch.save writes,
// and the rest by name.
#pragma once

#include <cstdint>
#include <utility>

namespace ipirm::checkpoint {

// clang-format off
enum Opcode : uint8_t {
  kMark = '(', kStop = '.', kProto = 0x80, kFrame = 0x95,
  kNone = 'N', kNewTrue = 0x88, kNewFalse = 0x89,
  kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kLong1 = 0x8a, kLong4 = 0x8b, kBinFloat = 'G',
  kBinUnicode = 'X', kShortBinUnicode = 0x8c, kBinUnicode8 = 0x8d,
  kBinString = 'T', kShortBinString = 'U', kBinBytes = 'B', kShortBinBytes = 'C',
  kBinBytes8 = 0x8e, kByteArray8 = 0x96,
  kPop = '0', kPopMark = '1',
  kEmptyDict = '}', kEmptyList = ']', kEmptyTuple = ')',
  kTuple = 't', kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87,
  kSetItem = 's', kSetItems = 'u', kAppend = 'a', kAppends = 'e',
  kBinGet = 'h', kLongBinGet = 'j', kBinPut = 'q', kLongBinPut = 'r', kMemoize = 0x94,
  kEmptySet = 0x8f, kAddItems = 0x90, kFrozenSet = 0x91,
  kGlobal = 'c', kStackGlobal = 0x93, kReduce = 'R', kBuild = 'b', kBinPersId = 'Q',
  kObj = 'o', kNewObj = 0x81, kNewObjEx = 0x92,
};
// clang-format on

// Opcodes that are refused, for the message.
inline constexpr std::pair<uint8_t, const char*> kRefusedOpcodes[] = {
    {'2', "DUP"},
    {'I', "INT"},
    {'L', "LONG"},
    {'F', "FLOAT"},
    {'S', "STRING"},
    {'V', "UNICODE"},
    {'P', "PERSID"},
    {'i', "INST"},
    {'p', "PUT"},
    {'g', "GET"},
    {'d', "DICT"},
    {'l', "LIST"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

}  // namespace ipirm::checkpoint
