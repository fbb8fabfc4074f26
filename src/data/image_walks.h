// What the structure walks of the image formats have in common: numbers at places, and their
// result.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipirm/core/error.h"

namespace ipirm::data {

struct WalkedSize {
  int64_t width = 0, height = 0;
};

// Numbers and texts at places in a file; a place beyond its end is the user's error.
class FileBytes {
 public:
  FileBytes(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  // Refuses a file that is damaged.
  [[noreturn]] void fail(const std::string& what) const {
    throw core::UserError(core::cat(path_, ": ", what, "; re-save, replace or remove the file"));
  }
  // Refuses a file that may well be in order.
  [[noreturn]] void unsupported(const std::string& kind) const {
    throw core::UserError(
        core::cat(path_, ": is ", kind,
                  ", a kind that is not read; re-save it as PNG or plain JPEG, or ", "remove it"));
  }
  // Refuses a file of fewer than `end` bytes.
  void need(uint64_t end) const {
    if (end > bytes_.size())
      fail(core::cat("ends at byte ", bytes_.size(), ", expected ", end, " bytes at least"));
  }
  std::string_view text(uint64_t place, uint64_t size) const {
    need(place + size);
    return bytes_.substr(place, size);
  }
  uint32_t u8(uint64_t place) const { return static_cast<uint8_t>(text(place, 1)[0]); }
  uint32_t big16(uint64_t place) const { return u8(place) << 8 | u8(place + 1); }
  uint32_t big32(uint64_t place) const { return big16(place) << 16 | big16(place + 2); }
  uint32_t little16(uint64_t place) const { return u8(place) | u8(place + 1) << 8; }
  uint32_t little24(uint64_t place) const { return little16(place) | u8(place + 2) << 16; }
  uint32_t little32(uint64_t place) const { return little16(place) | little16(place + 2) << 16; }
  // Throws UserError unless the sides in pixels and their product are within the limits.
  void check_size(WalkedSize size) const;
  uint64_t size() const { return bytes_.size(); }

 private:
  const std::string& path_;
  std::string_view bytes_;
};

struct Walked {
  WalkedSize size;
  std::optional<std::string> rewritten;  // for the decoder, where that is not the file itself
  std::optional<WalkedSize> frame;       // what the decoder gets, where smaller than the picture
  int64_t left = 0, top = 0;             // its place
};

// Each walks a file of its format from the first byte to the last that a decoder needs. Throws
// UserError for what a decoder could not take.
Walked walk_png(const FileBytes& in);
Walked walk_jpeg(const FileBytes& in);
Walked walk_bmp(const FileBytes& in);
Walked walk_webp(const FileBytes& in);
Walked walk_tiff(const FileBytes& in);
Walked walk_gif(const FileBytes& in);
Walked walk_pnm(const FileBytes& in);

}  // namespace ipirm::data
