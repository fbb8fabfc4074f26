// Pictures: what is drawn is what the PNG file holds, images of any shape fit, words stay in their
// room.
#include "ipirm/inspect/picture.h"

#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <set>
#include <tuple>

namespace ipirm::inspect {
namespace {

// 2 rows of 4 pixels, planar: red is 10 x, green 10 y + 1, blue 200.
struct Pixels {
  std::vector<uint8_t> bytes;
  Pixels() : bytes(24) {
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 4; ++x) {
        const auto at = static_cast<size_t>(4 * y + x);
        bytes[at] = static_cast<uint8_t>(10 * x);
        bytes[8 + at] = static_cast<uint8_t>(10 * y + 1);
        bytes[16 + at] = 200;
      }
    }
  }
  data::Image image() const { return {bytes.data(), 2, 4, 8, 4, 1}; }
};

TEST(Picture, EnlargesPixelsToSquaresInTheMiddle) {
  Picture picture(20, 20);
  picture.draw(Pixels().image(), 2, 2, 16);
  // A factor of 4: 16 wide, 8 high, 4 of the ground above and below.
  EXPECT_EQ(picture.at(2, 5), kPaper);
  EXPECT_EQ(picture.at(2, 6), (Colour{0, 1, 200}));
  EXPECT_EQ(picture.at(17, 13), (Colour{30, 11, 200}));
  EXPECT_EQ(picture.at(17, 14), kPaper);
  EXPECT_EQ(picture.at(18, 8), kPaper);
}

TEST(Picture, MakesLargeImagesSmallerByTheirMean) {
  Picture picture(4, 4);
  picture.draw(Pixels().image(), 0, 0, 2);
  EXPECT_EQ(picture.at(0, 0), (Colour{5, 6, 200}));  // of red 0 and 10, green 1 and 11
  EXPECT_EQ(picture.at(1, 0), (Colour{25, 6, 200}));
  EXPECT_EQ(picture.at(0, 1), kPaper);
}

TEST(Picture, PngHoldsThePixels) {
  Picture picture(9, 7, {1, 2, 3});
  picture.fill(2, 3, 4, 2, {250, 128, 5});
  const auto read = cv::imdecode(picture.png(), cv::IMREAD_COLOR);
  ASSERT_EQ(read.cols, 9);
  ASSERT_EQ(read.rows, 7);
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 9; ++x) {
      const auto bgr = read.at<cv::Vec3b>(y, x);
      EXPECT_EQ((Colour{bgr[2], bgr[1], bgr[0]}), picture.at(x, y)) << x << "," << y;
    }
  }
}

TEST(Picture, WordsStayInTheirRoom) {
  Picture picture(200, 20);
  picture.write("a caption that is far longer than its room, and \xC3\xA4", 10, 14, 60);
  bool written = false;
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 200; ++x) {
      if (picture.at(x, y) == kPaper) continue;
      written = true;
      EXPECT_TRUE(x >= 8 && x <= 72) << x;
    }
  }
  EXPECT_TRUE(written);
}

TEST(ShownSide, EnlargesSmallImagesByWholeFactors) {
  EXPECT_EQ(shown_side(8), 64);
  EXPECT_EQ(shown_side(28), 84);
  EXPECT_EQ(shown_side(32), 64);
  EXPECT_EQ(shown_side(47), 94);
  EXPECT_EQ(shown_side(64), 64);
  EXPECT_EQ(shown_side(96), 96);
  EXPECT_EQ(shown_side(224), 96);
  EXPECT_EQ(shown_side(0), 96);
}

TEST(ColourOf, GivesEachValueItsOwn) {
  for (const int64_t n : {1, 2, 10, 20}) {
    std::set<std::tuple<int, int, int>> different;
    for (int64_t i = 0; i < n; ++i) {
      const auto c = colour_of(i, n);
      different.emplace(c.red, c.green, c.blue);
    }
    EXPECT_EQ(different.size(), static_cast<size_t>(n));
  }
}

}  // namespace
}  // namespace ipirm::inspect
