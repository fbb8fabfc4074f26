// CRC-32C, plain and as the records of TensorBoard's event files hold it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ipirm::observe {

// The Castagnoli polynomial, reflected (RFC 3720): 0xe3069283 for "123456789", 0 for nothing.
uint32_t crc32c(std::string_view bytes);

// Rotated and shifted, so that the checksum of bytes which hold their own checksum is no constant.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace ipirm::observe
