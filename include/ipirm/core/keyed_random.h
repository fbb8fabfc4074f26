// Counter-based random numbers: every draw is a function of (seed, purpose, epoch, sample, view)
// and its number alone.
#pragma once

#include <cstdint>
#include <vector>

namespace ipirm::core {

// What a stream of draws is for. Two purposes never share a stream. Values are part of what makes a
// run reproducible: never renumber.
enum class Purpose : uint8_t {
  kTrainOrder = 1,      // permutation of the training set, one an epoch
  kTrainView = 2,       // augmentation of minimization views
  kMaximizeView = 3,    // augmentation of maximization views
  kLinearOrder = 4,     // permutation of the linear evaluation's training set
  kLinearView = 5,      // augmentation of the linear evaluation's training views
  kColoredDigits = 6,   // hue, noise and split of the embedded set
  kModelInit = 7,       // initial weights (seeds torch's generator)
  kPartitionInit = 8,   // initial partition logits
  kMaximizeOrder = 9,   // permutation of the bank, one a pass
  kMixup = 10,          // mixing coefficients and partners, minimization
  kMaximizeMixup = 11,  // and maximization
  kPartitionDraw = 12,  // environments of a random partition
  kTints = 14,          // colours, noise and environments of MNIST and FashionMNIST
  kShapes = 15,         // which combinations of factors Shapes trains and tests on
  kTreeSplit = 20,      // which of equally good splits a boosted tree takes
  kMetricSample = 21,   // which samples the metrics look at
};

// One stream of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
// Cheap to make (no state beyond key and counter), so make one a view.
class KeyedRandom {
 public:
  // What Philox's counter has room for: these and 8 bits of purpose fill the three words beside the
  // number of the draw.
  static constexpr int kEpochBits = 32, kSampleBits = 48, kViewBits = 8;

  // Throws std::out_of_range for a number of more bits: two streams would be the same one.
  KeyedRandom(uint64_t seed, Purpose purpose, uint64_t epoch, uint64_t sample = 0,
              uint32_t view = 0);

  uint32_t bits();                          // 32 uniform bits
  double uniform();                         // [0, 1), 53 bits
  double uniform(double low, double high);  // [low, high)
  bool chance(double p) { return uniform() < p; }
  uint32_t below(uint32_t n);  // uniform in 0..n-1 without bias; n > 0
  double normal();             // standard normal (Box-Muller)
  // The logarithm of a Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000): the value itself
  // would underflow for small shapes.
  double log_gamma(double shape);
  double beta(double a, double b);  // a, b > 0

 private:
  void refill();

  uint32_t key_[2];
  uint32_t counter_[4];
  uint32_t block_[4];
  int used_ = 4;
};

// A uniform permutation of 0..n-1 (Fisher-Yates). Throws std::out_of_range where n >= 2^32.
std::vector<int64_t> permutation(KeyedRandom random, int64_t n);

}  // namespace ipirm::core
