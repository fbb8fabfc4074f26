// An image file to 96x96 RGB pixels, by OpenCV.
#pragma once

#include <cstdint>
#include <string>

namespace ipirm::data {

constexpr int kDecodedSide = 96;                                    // pixels
constexpr int64_t kDecodedBytes = 3 * kDecodedSide * kDecodedSide;  // interleaved R, G, B

// Keeps OpenCV to the calling thread (the loader's workers are the parallelism) and its log silent.
// Once a process.
void prepare_image_decoder();

// Decodes the file and writes its centre square, scaled to 96x96, to rgb (kDecodedBytes). Pixels
// are taken as stored: an EXIF orientation is not applied and transparency is dropped, as
// torchvision's ImageFolder does. Cropping comes before scaling: that is the same as scaling the
// shorter side to 96 and then cropping, up to the rounding of the crop's place, and needs no memory
// for the ends of a very long image. Shrinking averages the area that a pixel covers (INTER_AREA:
// no aliasing at any scale); growing is bilinear, like the augmentation's resizing. Throws
// UserError naming the file if it is unreadable, damaged, larger than kMaxImagePixels or than 256
// MiB.
void decode_image_file(const std::string& path, uint8_t* rgb);

}  // namespace ipirm::data
