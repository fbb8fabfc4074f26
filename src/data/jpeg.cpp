// Decoding of JPEG.
#include "data/jpeg.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>

// jpeglib.h needs size_t and FILE from the headers above.
#include <jerror.h>
#include <jpeglib.h>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

constexpr int kMostScans = 500;  // of a progressive image: each takes a pass over all pixels

struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  bool file_ended = false;      // more bytes were wanted than there are
  bool pixels_missing = false;  // a scan ended before all of its pixels were there
  bool too_many_scans = false;
};

Errors& errors_of(j_common_ptr info) { return *reinterpret_cast<Errors*>(info->err); }

[[noreturn]] void on_error(j_common_ptr info) { std::longjmp(errors_of(info).jump, 1); }

void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  Errors& errors = errors_of(info);
  if (errors.base.msg_code == JWRN_JPEG_EOF) errors.file_ended = true;
  if (errors.base.msg_code == JWRN_HIT_MARKER) errors.pixels_missing = true;
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  errors_of(info).too_many_scans = true;
  on_error(info);
}

// a b / 255, rounded.
uint8_t share(int a, int b) { return static_cast<uint8_t>((a * b + 127) / 255); }

// Inverted cyan, magenta, yellow, black.
void cmyk_to_rgb(const uint8_t* cmyk, JDIMENSION width, uint8_t* rgb) {
  for (JDIMENSION x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = share(cmyk[c], cmyk[3]);
  }
}

// False where libjpeg gave up. Holds nothing that a jump over its end would leave behind.
bool decode(jpeg_decompress_struct& info, Errors& errors, const EncodedImage& encoded,
            uint8_t* cmyk, uint8_t* rgb) {
  jpeg_progress_mgr progress = {};
  progress.progress_monitor = on_progress;
  if (setjmp(errors.jump) != 0) return false;
  jpeg_create_decompress(&info);
  info.progress = &progress;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(encoded.bytes.data()),
               encoded.bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  if (info.output_width != static_cast<JDIMENSION>(encoded.size.width) ||
      info.output_height != static_cast<JDIMENSION>(encoded.size.height))
    return false;
  while (info.output_scanline < info.output_height) {
    uint8_t* line = rgb + size_t{3} * info.output_width * info.output_scanline;
    JSAMPROW row = info.num_components == 4 ? cmyk : line;
    jpeg_read_scanlines(&info, &row, 1);
    if (info.num_components == 4) cmyk_to_rgb(cmyk, info.output_width, line);
  }
  return true;
}

}  // namespace

void decode_jpeg(const std::string& path, const EncodedImage& encoded, uint8_t* rgb) {
  std::vector<uint8_t> cmyk(size_t{4} * static_cast<size_t>(encoded.size.width));
  jpeg_decompress_struct info = {};
  Errors errors;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  const bool done = decode(info, errors, encoded, cmyk.data(), rgb);
  const bool whole =
      done && !(errors.file_ended && (errors.pixels_missing || jpeg_has_multiple_scans(&info)));
  char words[JMSG_LENGTH_MAX] = "";
  if (!done && !errors.too_many_scans)
    errors.base.format_message(reinterpret_cast<j_common_ptr>(&info), words);
  const int code = errors.base.msg_code;
  jpeg_destroy_decompress(&info);
  if (whole) return;
  const FileBytes in(path, encoded.bytes);
  if (errors.too_many_scans) in.unsupported(cat("a JPEG of more than ", kMostScans, " scans"));
  if (!done && code == JERR_ARITH_NOTIMPL) in.unsupported("a JPEG in arithmetic coding");
  if (!done && code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
  if (!done && !errors.file_ended) {
    in.fail(cat("its pixels cannot be decoded, expected an image of ", encoded.size.width, "x",
                encoded.size.height, " (", words, ")"));
  }
  in.fail(
      cat("ends at byte ", in.size(), " inside the JPEG pixels, expected an end-of-image marker"));
}

}  // namespace ipirm::data
