// Tests that the kernel sets compute the same bytes, whatever the processor.
#include "augment/kernels.h"

#include <gtest/gtest.h>

#include "augment/operations.h"
#include "augment/pictures.h"

namespace ipirm::augment {
namespace {

class KernelTwins : public ::testing::Test {
 protected:
  void SetUp() override {
    if (avx2_kernels() == nullptr) GTEST_SKIP() << "this processor or compiler has no AVX2";
  }
  const Kernels& plain() { return baseline_kernels(); }
  const Kernels& fast() { return *avx2_kernels(); }
};

TEST_F(KernelTwins, TheFastSetIsChosen) { EXPECT_STREQ(best_kernels().name, "avx2"); }

TEST_F(KernelTwins, ResampleAndTranspose) {
  auto random = test_random(20);
  for (int i = 0; i < 200; ++i) {
    const int lines = 1 + static_cast<int>(random.below(150)),
              lanes = 1 + static_cast<int>(random.below(70));
    const int outputs = 1 + static_cast<int>(random.below(50));
    std::vector<uint8_t> in(static_cast<size_t>(lines) * static_cast<size_t>(lanes));
    for (auto& byte : in) byte = static_cast<uint8_t>(random.bits() >> 24);
    Taps taps;
    taps.compute(lines, outputs);
    std::vector<uint8_t> a(static_cast<size_t>(outputs) * static_cast<size_t>(lanes)), b = a;
    plain().resample(in.data(), lanes, lanes, taps.view(), a.data(), lanes);
    fast().resample(in.data(), lanes, lanes, taps.view(), b.data(), lanes);
    ASSERT_EQ(a, b) << lines << " lines of " << lanes << " to " << outputs;
    std::vector<uint8_t> c(in.size()), d = c;
    plain().transpose(in.data(), lanes, lines, lanes, c.data(), lines);
    fast().transpose(in.data(), lanes, lines, lanes, d.data(), lines);
    ASSERT_EQ(c, d);
    for (int line = 0; line < lines; ++line) {
      for (int lane = 0; lane < lanes; ++lane) {
        ASSERT_EQ(c[static_cast<size_t>(lane * lines + line)],
                  in[static_cast<size_t>(line * lanes + lane)]);
      }
    }
  }
}

// All colours once, for the steps whose pixels are independent; 251 * 261 leaves a partial tile in
// every plane.
TEST_F(KernelTwins, AllColours) {
  constexpr int kPixels = 251 * 261;
  Picture a(251, 261), b = a;
  for (uint32_t start = 0; start < (1u << 24); start += kPixels) {
    const auto fill = [start](Picture& picture) {
      const Planes planes = picture.planes();
      for (uint32_t i = 0; i < kPixels; ++i) {
        planes.red[i] = static_cast<uint8_t>((start + i) >> 16);
        planes.green[i] = static_cast<uint8_t>((start + i) >> 8);
        planes.blue[i] = static_cast<uint8_t>(start + i);
      }
    };
    const auto compare = [&](const char* step, auto&& apply) {
      fill(a), fill(b);
      apply(plain(), a.planes());
      apply(fast(), b.planes());
      ASSERT_EQ(a.bytes, b.bytes) << step;
    };
    compare("hue", [](const Kernels& k, const Planes& p) {
      k.shift_hue(p.red, p.green, p.blue, kPixels, 231);
    });
    compare("saturation", [](const Kernels& k, const Planes& p) {
      k.blend_with_luma(p.red, p.green, p.blue, kPixels, 1.37f);
    });
    compare("grayscale",
            [](const Kernels& k, const Planes& p) { k.to_luma(p.red, p.green, p.blue, kPixels); });
    const Planes planes = a.planes();
    ASSERT_EQ(plain().sum_luma(planes.red, planes.green, planes.blue, kPixels),
              fast().sum_luma(planes.red, planes.green, planes.blue, kPixels));
    if (HasFatalFailure()) return;
  }
}

TEST_F(KernelTwins, BlendAndBlur) {
  auto random = test_random(21);
  for (int i = 0; i < 300; ++i) {
    const int height = 1 + static_cast<int>(random.below(40)),
              width = 1 + static_cast<int>(random.below(40));
    Picture a = random_picture(random, height, width), b = a;
    const float factor = static_cast<float>(random.uniform(0.0, 2.0));
    const int base = static_cast<int>(random.below(256)), side = static_cast<int>(random.below(86));
    plain().blend_with_constant(a.bytes.data(), 3 * height * width, base, factor);
    fast().blend_with_constant(b.bytes.data(), 3 * height * width, base, factor);
    ASSERT_EQ(a.bytes, b.bytes);
    std::vector<uint16_t> scratch(static_cast<size_t>(height) * static_cast<size_t>(width));
    plain().blur(a.bytes.data(), height, width, side, scratch.data());
    fast().blur(b.bytes.data(), height, width, side, scratch.data());
    ASSERT_EQ(a.bytes, b.bytes);
  }
}

}  // namespace
}  // namespace ipirm::augment
