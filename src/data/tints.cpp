// Draws colours, flips and noise of tinted images by fixed keys, in integer arithmetic.
#include "data/tints.h"

#include <algorithm>

#include "ipirm/core/keyed_random.h"

namespace ipirm::data {
namespace {

constexpr uint64_t kSetSeed = 70000;  // a different seed is a different data set
constexpr int kFirstUpperClass = 5;   // classes below it have label 1 before the flip
constexpr double kLabelFlip = .25;
constexpr double kColourFlip[kNumEnvironments] = {.1, .2, .9};

core::KeyedRandom random_of(TintStream stream, int64_t sample) {
  return {kSetSeed, core::Purpose::kTints, static_cast<uint64_t>(stream),
          static_cast<uint64_t>(sample)};
}

}  // namespace

Rgb tint_colour(int colour, int num_colours) {
  if (num_colours == 2) return colour == 0 ? Rgb{255, 0, 0} : Rgb{0, 255, 0};
  return hue_colour(colour, num_colours);
}

std::vector<int64_t> balanced_colours(const std::vector<int64_t>& labels, int num_classes,
                                      int num_colours, TintStream stream) {
  std::vector<std::vector<size_t>> images_of(static_cast<size_t>(num_classes));
  for (size_t i = 0; i < labels.size(); ++i) images_of[static_cast<size_t>(labels[i])].push_back(i);
  std::vector<int64_t> colours(labels.size());
  for (size_t c = 0; c < images_of.size(); ++c) {
    const auto& images = images_of[c];
    const auto order = core::permutation(random_of(stream, static_cast<int64_t>(c)),
                                         static_cast<int64_t>(images.size()));
    for (size_t k = 0; k < order.size(); ++k)
      colours[images[static_cast<size_t>(order[k])]] = static_cast<int64_t>(k) % num_colours;
  }
  return colours;
}

void put_tint(const uint8_t* grey, int64_t pixels, const Rgb& colour, int most_noise, int64_t image,
              uint8_t* planes) {
  auto random = random_of(TintStream::kNoise, image);
  for (const int part : colour) {
    for (int64_t p = 0; p < pixels; ++p) {
      const int noise = most_noise == 0
                            ? 0
                            : static_cast<int>(random.below(static_cast<uint32_t>(most_noise) + 1));
      *planes++ = static_cast<uint8_t>(std::min(255, noise + grey[p] * part / 255));
    }
  }
}

std::vector<CorrelatedSample> correlated_samples(const std::vector<int64_t>& classes) {
  const auto order = core::permutation(random_of(TintStream::kEnvironments, 0),
                                       static_cast<int64_t>(classes.size()));
  std::vector<CorrelatedSample> samples;
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t image = order[i], environment = static_cast<int64_t>(i) % kNumEnvironments;
    auto random = random_of(TintStream::kFlips, image);
    const bool low = classes[static_cast<size_t>(image)] < kFirstUpperClass;
    const bool label = low != random.chance(kLabelFlip);
    const bool colour = label != random.chance(kColourFlip[environment]);
    samples.push_back({image, label, colour, environment});
  }
  return samples;
}

}  // namespace ipirm::data
