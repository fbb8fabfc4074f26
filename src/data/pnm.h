// Decodes PGM and PPM.
#pragma once

#include <cstdint>
#include <string>

#include "data/image_structure.h"

namespace ipirm::data {

// Writes the pixels of a PGM or PPM (P2, P3, P5, P6) that walk_pnm() has accepted, scaled to
// 0..255, interleaved R, G, B, to rgb (3 * width * height bytes). Throws UserError naming `path`
// where numbers are missing or too large.
void decode_pnm(const std::string& path, const EncodedImage& encoded, uint8_t* rgb);

}  // namespace ipirm::data
