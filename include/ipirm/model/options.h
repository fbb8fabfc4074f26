// Which network is trained (SPEC 3).
#pragma once

#include <string>

namespace ipirm::model {

struct ModelOptions {
  std::string arch = "resnet50";  // resnet18, resnet34 or resnet50
  int width = 64;  // channels of the first stage, a multiple of 8, 16..1024; 64 is the standard
  int feature_dim = 128;  // width d of the projection z, 1..65536
};

}  // namespace ipirm::model
