// Decodes JPEG by libjpeg, in silence.
#pragma once

#include <cstdint>
#include <string>

#include "data/image_structure.h"

namespace ipirm::data {

// Writes the pixels of a JPEG that walk_jpeg() has accepted, interleaved R, G, B, to rgb (3 * width
// * height bytes). Bytes that do not belong to the image are passed over and missing Huffman tables
// are the usual ones (motion JPEG), as all decoders by libjpeg do; CMYK is taken as Adobe writes
// it, inverted. Throws UserError naming `path` where pixels are missing.
void decode_jpeg(const std::string& path, const EncodedImage& encoded, uint8_t* rgb);

}  // namespace ipirm::data
