// A picture in memory: images, words and marks are drawn into it, and a PNG or JPEG file comes out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipirm/data/image.h"

namespace ipirm::inspect {

// Throws UserError, which begins with the setting that asks for pictures, in programs that were
// built without OpenCV.
void require_pictures(const std::string& setting);

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Colour&) const = default;
};
inline constexpr Colour kPaper{255, 255, 255}, kInk{32, 33, 36}, kFaint{128, 134, 139};

// Number i of n colours that the eye tells apart as well as may be, 0 <= i < n.
Colour colour_of(int64_t i, int64_t n);

// Side at which stored images of this side are shown, pixels: small ones are enlarged by a whole
// factor to 64 to 95, others become 96 at most; 0 (sizes of their own): 96.
int shown_side(int stored_side);

// 8 bits a channel, red, green, blue. What would lie outside the picture is not drawn.
class Picture {
 public:
  // width, height >= 1, pixels.
  Picture(int width, int height, Colour ground = kPaper);

  int width() const { return width_; }
  int height() const { return height_; }
  // 0 <= x < width(), 0 <= y < height().
  Colour at(int x, int y) const;

  // Into the middle of a square, its colours unchanged: enlarged by a whole factor, every pixel a
  // square, or made smaller by the mean over areas. The square lies within the picture.
  void draw(const data::Image& image, int left, int top, int side);
  // One line that is cut to `room` pixels; what is not ASCII becomes '?'. Letters stand on
  // `baseline` and are about 9 pixels high.
  void write(const std::string& text, int left, int baseline, int room, Colour colour = kInk);
  void fill(int left, int top, int width, int height, Colour colour);
  // A line of `thickness` pixels around the rectangle, outside it.
  void frame(int left, int top, int width, int height, int thickness, Colour colour);
  void dot(double x, double y, int radius, Colour colour);

  // The file's bytes.
  std::vector<uint8_t> png() const;
  std::vector<uint8_t> jpeg() const;

 private:
  int width_, height_;
  std::vector<uint8_t> pixels_;  // row by row
};

// A picture as a page holds it: the bytes of an image file; none where it was left out.
struct PageImage {
  int width = 0, height = 0;
  std::string type = {};  // "png", "jpeg"
  std::vector<uint8_t> bytes = {};
};

// `png`, the picture's own file, where that is small, otherwise a JPEG if that is smaller.
PageImage page_image(const Picture& picture, std::vector<uint8_t> png);

}  // namespace ipirm::inspect
