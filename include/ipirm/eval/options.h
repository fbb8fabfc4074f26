// Settings of the evaluations (SPEC 7).
#pragma once

#include <cstdint>
#include <string>

namespace ipirm::eval {

struct KnnOptions {
  int64_t k = 200;           // neighbours, >= 1, capped at the bank's size
  double temperature = 0.5;  // > 0
};

struct LinearOptions {
  int64_t epochs = 100;        // >= 1
  int64_t batch_size = 512;    // images, >= 1; the last batch is kept
  double lr = 1e-3;            // Adam
  double weight_decay = 1e-6;  // L2, in the gradient
  std::string bn = "train";  // train: the encoder's BatchNorm uses batch statistics and drifts, as
                             // in the reference's protocol; eval: frozen
  uint64_t seed = 1234;
};

}  // namespace ipirm::eval
