// Structure walk of TIFF: the first image's tags and the places of its pixels.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "data/image_structure.h"
#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

enum Tag : uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStrips = 273,
  kChannels = 277,
  kStripSizes = 279,
  kPlanar = 284,
  kTileWidth = 322,
  kTileHeight = 323,
  kTiles = 324,
  kTileSizes = 325,
  kSampleFormat = 339,
};

// A file in its own byte order, and its first folder of tags.
class Tags {
 public:
  explicit Tags(const FileBytes& in) : in_(in), big_(in.u8(0) == 'M') {
    if (u16(2) == 43) in.unsupported("a BigTIFF");
    const uint64_t folder = u32(4);
    const uint64_t count = u16(folder);
    in.need(folder + 2 + 12 * count);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t entry = folder + 2 + 12 * i;
      places_.emplace(u16(entry), entry);  // of two alike the first counts
    }
  }

  bool has(Tag tag) const { return places_.count(tag) != 0; }

  // All numbers of a tag, or the one given where there is no such tag.
  std::vector<uint64_t> numbers(Tag tag, std::optional<uint64_t> otherwise = std::nullopt) const {
    const auto found = places_.find(tag);
    if (found == places_.end()) {
      if (!otherwise) in_.fail(cat("this TIFF lacks tag ", static_cast<uint32_t>(tag)));
      return {*otherwise};
    }
    const uint64_t entry = found->second, type = u16(entry + 2), count = u32(entry + 4);
    const uint64_t size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;  // byte, short, long
    if (size == 0 || count == 0) {
      in_.fail(cat("the TIFF tag ", static_cast<uint32_t>(tag), " at byte ", entry, " has type ",
                   type, " and ", count, " values, expected whole numbers"));
    }
    const uint64_t values = count * size <= 4 ? entry + 8 : u32(entry + 8);
    in_.need(values + count * size);
    std::vector<uint64_t> result;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t place = values + i * size;
      result.push_back(size == 1 ? in_.u8(place) : size == 2 ? u16(place) : u32(place));
    }
    return result;
  }
  uint64_t number(Tag tag, std::optional<uint64_t> otherwise = std::nullopt) const {
    return numbers(tag, otherwise).front();
  }

 private:
  uint32_t u16(uint64_t place) const { return big_ ? in_.big16(place) : in_.little16(place); }
  uint32_t u32(uint64_t place) const { return big_ ? in_.big32(place) : in_.little32(place); }

  const FileBytes& in_;
  bool big_;
  std::map<uint32_t, uint64_t> places_;
};

// Kinds that no one writes for pictures, or that the decoder does not take.
void check_kind(const FileBytes& in, const Tags& tags) {
  const auto bits = tags.numbers(kBits, 1);
  if (std::adjacent_find(bits.begin(), bits.end(), std::not_equal_to<>()) != bits.end())
    in.unsupported("a TIFF whose channels differ in bits");
  const uint64_t format = tags.number(kSampleFormat, 1);
  const bool whole = format == 1 || format == 4;
  if (!whole || (bits[0] != 1 && bits[0] != 4 && bits[0] != 8 && bits[0] != 16)) {
    in.unsupported(cat("a TIFF of ", bits[0], "-bit ",
                       format == 3   ? "floating-point"
                       : format == 2 ? "signed"
                       : whole       ? "whole"
                                     : "complex",
                       " numbers"));
  }
  if (const uint64_t channels = tags.number(kChannels, 1); channels < 1 || channels > 5)
    in.unsupported(cat("a TIFF of ", channels, " channels"));
  const uint64_t photometric = tags.number(kPhotometric, 1);
  constexpr std::array<uint64_t, 6> kKinds = {0, 1, 2, 3, 5, 6};  // grey, RGB, palette, CMYK, YCbCr
  if (std::find(kKinds.begin(), kKinds.end(), photometric) == kKinds.end())
    in.unsupported(cat("a TIFF of colour space ", photometric));
}

}  // namespace

Walked walk_tiff(const FileBytes& in) {
  const Tags tags(in);
  check_kind(in, tags);
  Walked walked;
  walked.size = {static_cast<int64_t>(tags.number(kWidth)),
                 static_cast<int64_t>(tags.number(kHeight))};
  in.check_size(walked.size);
  const bool tiled = tags.has(kTiles);
  if (tiled) {
    const uint64_t width = tags.number(kTileWidth), height = tags.number(kTileHeight);
    if (width == 0 || height == 0 || width > kMaxImageSide || height > kMaxImageSide ||
        width * height > kMaxImagePixels)
      in.fail(cat("the TIFF tiles are ", width, "x", height, " pixels"));
  }
  const auto places = tags.numbers(tiled ? kTiles : kStrips);
  const auto sizes = tags.numbers(tiled ? kTileSizes : kStripSizes, 0);
  for (size_t i = 0; i < std::min(places.size(), sizes.size()); ++i) in.need(places[i] + sizes[i]);
  return walked;
}

}  // namespace ipirm::data
