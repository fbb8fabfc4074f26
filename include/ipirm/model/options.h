// Which network is trained (SPEC 3).
#pragma once

#include <string>

namespace ipirm::model {

// Channels of the first stage that can be had. oneDNN writes beyond its buffers elsewhere: its AVX2
// convolutions where channels are no multiple of 8, its AVX-512 gradients of 1x1 convolutions of
// stride 2 where they are 8.
constexpr bool is_width(int width) { return width >= 16 && width <= 1024 && width % 8 == 0; }
constexpr const char* kWidths = "a multiple of 8 from 16 to 1024";

struct ModelOptions {
  std::string arch = "resnet50";  // resnet18, resnet34 or resnet50
  int width = 64;                 // channels of the first stage; 64 is the standard network
  int feature_dim = 128;          // width d of the projection z, 1..65536
};

}  // namespace ipirm::model
