// Decodes the first frame of a GIF.
#pragma once

#include <cstdint>
#include <string>

#include "data/image_structure.h"

namespace ipirm::data {

// Writes the first frame of a GIF that walk_gif() has accepted, interleaved R, G, B, to rgb (3 *
// width * height bytes). What the frame leaves free has the transparent colour, or the first, as in
// Pillow. Throws UserError naming `path` where pixels are missing or no code stands for them.
void decode_gif(const std::string& path, const EncodedImage& encoded, uint8_t* rgb);

}  // namespace ipirm::data
