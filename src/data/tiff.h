// Decodes the first image of a TIFF by libtiff, in silence.
#pragma once

#include <cstdint>
#include <string>

#include "data/image_structure.h"

namespace ipirm::data {

// Keeps libtiff from printing; to be called once a process.
void silence_tiff();

// Writes the pixels of a TIFF that walk_tiff() has accepted, interleaved R, G, B, to rgb (3 * width
// * height bytes). Throws UserError naming `path` where they cannot be decoded.
void decode_tiff(const std::string& path, const EncodedImage& encoded, uint8_t* rgb);

}  // namespace ipirm::data
