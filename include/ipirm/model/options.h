// Which network is trained (METHOD 3).
#pragma once

#include "ipirm/core/names.h"

namespace ipirm::model {

// Channels of the first stage that can be had. oneDNN writes beyond its buffers elsewhere: its AVX2
// convolutions where channels are no multiple of 8, its AVX-512 gradients of 1x1 convolutions of
// stride 2 where they are 8.
constexpr bool is_width(int width) { return width >= 16 && width <= 1024 && width % 8 == 0; }
constexpr const char* kWidths = "a multiple of 8 from 16 to 1024";

enum class Arch { kResNet18, kResNet34, kResNet50, kResNet101 };

// What tells the encoders apart (He et al. 2015, table 1).
struct Architecture {
  Arch kind;
  const char* name;
  int blocks[4];  // in each of the four stages
  // Blocks are of 1x1, 3x3, 1x1 convolutions, four times as wide at their end; otherwise of two
  // 3x3.
  bool bottleneck;
};

// The one table of encoders: the command line, the network and the recognition of weights read it.
inline constexpr Architecture kArchitectures[] = {
    {Arch::kResNet18, "resnet18", {2, 2, 2, 2}, false},
    {Arch::kResNet34, "resnet34", {3, 4, 6, 3}, false},
    {Arch::kResNet50, "resnet50", {3, 4, 6, 3}, true},
    {Arch::kResNet101, "resnet101", {3, 4, 23, 3}, true},
};

// The arithmetic of the network; losses and the maximization are computed in float32 in any case.
enum class Precision {
  kFp32,
  kTf32,  // a GPU's convolutions round their factors to 10 bits; elsewhere as kFp32
  kBf16   // matrix products and convolutions in bfloat16, by autocast
};

struct ModelOptions {
  Arch arch = Arch::kResNet50;
  int width = 64;         // channels of the first stage; 64 is the standard network
  int feature_dim = 128;  // width d of the projection z, 1..65536
};

}  // namespace ipirm::model

template <>
struct ipirm::core::NamesOf<ipirm::model::Arch> {
  static constexpr const auto& kNames = ipirm::model::kArchitectures;
};

template <>
struct ipirm::core::NamesOf<ipirm::model::Precision> {
  static constexpr Named<ipirm::model::Precision> kNames[] = {
      {ipirm::model::Precision::kFp32, "fp32"},
      {ipirm::model::Precision::kTf32, "tf32"},
      {ipirm::model::Precision::kBf16, "bf16"}};
};
