// Hands the bytes of a TIFF to libtiff.
#include "data/tiff.h"

#include <tiffio.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

// A file in memory, as libtiff reads it.
struct Source {
  const std::string& bytes;
  uint64_t position = 0;

  static Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

  static tmsize_t read(thandle_t handle, void* to, tmsize_t size) {
    Source& source = source_of(handle);
    const uint64_t left =
        source.bytes.size() - std::min<uint64_t>(source.position, source.bytes.size());
    const uint64_t count = std::min(left, static_cast<uint64_t>(std::max<tmsize_t>(size, 0)));
    if (count > 0) std::memcpy(to, source.bytes.data() + source.position, count);
    source.position += count;
    return static_cast<tmsize_t>(count);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t handle, toff_t offset, int from) {
    Source& source = source_of(handle);
    source.position = offset + (from == SEEK_CUR   ? source.position
                                : from == SEEK_END ? source.bytes.size()
                                                   : 0);
    return source.position;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t handle) { return source_of(handle).bytes.size(); }
  static int map(thandle_t, void**, toff_t*) { return 0; }  // reads instead
  static void unmap(thandle_t, void*, toff_t) {}
};

}  // namespace

void silence_tiff() {
  TIFFSetErrorHandler(nullptr);
  TIFFSetWarningHandler(nullptr);
}

void decode_tiff(const std::string& path, const EncodedImage& encoded, uint8_t* rgb) {
  Source source{encoded.bytes};
  const std::unique_ptr<TIFF, void (*)(TIFF*)> tiff(
      TIFFClientOpen("", "rm", &source, Source::read, Source::write, Source::seek, Source::close,
                     Source::size, Source::map, Source::unmap),
      TIFFClose);
  const auto width = static_cast<uint32_t>(encoded.size.width),
             height = static_cast<uint32_t>(encoded.size.height);
  uint32_t found_width = 0, found_height = 0;
  std::vector<uint32_t> rgba(size_t{width} * height);
  const bool decoded = tiff != nullptr &&
                       TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &found_width) == 1 &&
                       TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &found_height) == 1 &&
                       found_width == width && found_height == height &&
                       TIFFReadRGBAImageOriented(tiff.get(), width, height, rgba.data(),
                                                 ORIENTATION_TOPLEFT, /*stop=*/1) == 1;
  if (!decoded) {
    FileBytes(path, encoded.bytes)
        .fail(core::cat("its pixels cannot be decoded, expected a TIFF of ", width, "x", height,
                        "; it is damaged, or compressed in a way that is not read"));
  }
  for (const uint32_t pixel : rgba) {
    *rgb++ = static_cast<uint8_t>(TIFFGetR(pixel));
    *rgb++ = static_cast<uint8_t>(TIFFGetG(pixel));
    *rgb++ = static_cast<uint8_t>(TIFFGetB(pixel));
  }
}

}  // namespace ipirm::data
