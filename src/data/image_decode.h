// An image file to RGB pixels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image_structure.h"

namespace ipirm::data {

// Keeps OpenCV to the calling thread (the loader's workers are the parallelism) and its log and
// libtiff's silent. To be called once a process.
void prepare_image_decoder();

// Decodes the file, interleaved R, G, B, into rgb, which is resized, and returns the picture's
// size. side > 0: its centre square, scaled to side x side; 0: the whole picture as it is. Pixels
// are taken as stored: an EXIF orientation is not applied and transparency is dropped, as
// torchvision's ImageFolder does; of animations the first frame is taken. Cropping comes before
// scaling: that is the same as scaling the shorter side to `side` and then cropping, up to the
// rounding of the crop's place, and needs no memory for the ends of a very long image. Shrinking
// averages the area that a pixel covers (INTER_AREA: no aliasing at any scale); growing is
// bilinear, like the augmentation's resizing. Throws UserError naming the file if it is unreadable,
// damaged, of a kind that is not read, larger than kMaxImagePixels or than 256 MiB.
PixelSize decode_image_file(const std::string& path, int side, std::vector<uint8_t>& rgb);

// Looks at the structure of the file, which is read whole: throws what decode_image_file() would,
// except where the pixels alone are damaged. Only a JPEG that may be cut off is decoded.
void check_image_file(const std::string& path);

}  // namespace ipirm::data
