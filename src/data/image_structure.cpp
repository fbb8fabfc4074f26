// Tells formats by their first bytes and hands each file to its format's walk.
#include "data/image_structure.h"

#include <array>
#include <utility>

#include "data/image_walks.h"

namespace ipirm::data {
namespace {

using core::cat;

// What a file is, by its first bytes, that is no image of a format read; "" if not known.
std::string other_kind(std::string_view head) {
  const auto has = [&](size_t place, std::string_view text) {
    return head.size() >= place + text.size() && head.substr(place, text.size()) == text;
  };
  if (has(4, "ftyp")) {
    for (const char* brand : {"avif", "avis"}) {
      if (has(8, brand)) return "an AVIF image";
    }
    for (const char* brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"}) {
      if (has(8, brand)) return "a HEIC image";
    }
    return "a video";
  }
  struct Kind {
    std::string_view start;
    const char* name;
  };
  using namespace std::string_view_literals;
  static constexpr std::array kKinds = {
      Kind{"\xFF\x0A"sv, "a JPEG XL image"},
      Kind{"\0\0\0\x0CJXL "sv, "a JPEG XL image"},
      Kind{"\0\0\0\x0CjP  "sv, "a JPEG 2000 image"},
      Kind{"\xFF\x4F\xFF\x51"sv, "a JPEG 2000 image"},
      Kind{"\x8AMNG"sv, "an MNG animation"},
      Kind{"8BPS"sv, "a Photoshop document"},
      Kind{"%PDF"sv, "a PDF document"},
      Kind{"%!PS"sv, "a PostScript document"},
      Kind{"\0\0\x01\0"sv, "a Windows icon"},
      Kind{"v/1\x01"sv, "an OpenEXR image"},
      Kind{"#?RADIANCE"sv, "a Radiance image"},
      Kind{"\x93NUMPY"sv, "a numpy array"},
      Kind{"P1"sv, "a bitmap of text (PBM)"},
      Kind{"P4"sv, "a bitmap (PBM)"},
      Kind{"P7"sv, "a PAM image"},
      Kind{"Pf"sv, "a PFM image"},
      Kind{"PF"sv, "a PFM image"},
      Kind{"PK\x03\x04"sv, "a zip archive"},
      Kind{"\x1F\x8B"sv, "a gzip archive"},
      Kind{"\x1A\x45\xDF\xA3"sv, "a video"},
      Kind{"RIFF"sv, "a sound or video"},
      Kind{"<svg"sv, "an SVG drawing"},
      Kind{"<?xml"sv, "an XML document"},
      Kind{"<!DOCTYPE"sv, "a web page"},
      Kind{"<!doctype"sv, "a web page"},
      Kind{"<html"sv, "a web page"},
      Kind{"<HTML"sv, "a web page"},
      Kind{"version https://git-lfs"sv, "a pointer of Git LFS (fetch the file itself)"},
  };
  for (const auto& kind : kKinds) {
    if (has(0, kind.start)) return kind.name;
  }
  return "";
}

Walked walk(ImageFormat format, const FileBytes& in) {
  switch (format) {
    case ImageFormat::kPng:
      return walk_png(in);
    case ImageFormat::kJpeg:
      return walk_jpeg(in);
    case ImageFormat::kBmp:
      return walk_bmp(in);
    case ImageFormat::kWebp:
      return walk_webp(in);
    case ImageFormat::kTiff:
      return walk_tiff(in);
    case ImageFormat::kGif:
      return walk_gif(in);
    case ImageFormat::kPnm:
      return walk_pnm(in);
  }
  in.fail("is of an unknown format");
}

PixelSize pixels_of(WalkedSize size) {
  return {static_cast<int>(size.width), static_cast<int>(size.height)};
}

}  // namespace

void FileBytes::check_size(WalkedSize size) const {
  const auto inside = [](int64_t side) { return side >= 1 && side <= kMaxImageSide; };
  if (inside(size.width) && inside(size.height) && size.width * size.height <= kMaxImagePixels)
    return;
  throw core::UserError(cat(path_, ": says it is ", size.width, "x", size.height,
                            " pixels, expected sides of 1..", kMaxImageSide, " and at most ",
                            kMaxImagePixels, " pixels; shrink, replace or remove it"));
}

std::optional<ImageFormat> image_format(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("\x89PNG\r\n\x1A\n")) return ImageFormat::kPng;
  if (head.starts_with("\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (head.starts_with("BM")) return ImageFormat::kBmp;
  if (head.starts_with("RIFF") && head.size() >= 12 && head.substr(8, 4) == "WEBP")
    return ImageFormat::kWebp;
  if (head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv) || head.starts_with("II+\0"sv) ||
      head.starts_with("MM\0+"sv))
    return ImageFormat::kTiff;
  if (head.starts_with("GIF87a") || head.starts_with("GIF89a")) return ImageFormat::kGif;
  if (head.starts_with("P2") || head.starts_with("P3") || head.starts_with("P5") ||
      head.starts_with("P6"))
    return ImageFormat::kPnm;
  return std::nullopt;
}

void check_image_head(const std::string& path, std::string_view head) {
  if (image_format(head)) return;
  const FileBytes in(path, head);
  const std::string kind = other_kind(head);
  if (!kind.empty()) in.unsupported(kind);
  throw core::UserError(cat(path,
                            ": the bytes at its start are those of no PNG, JPEG, BMP, WebP, "
                            "TIFF, GIF, PPM or PGM image; replace or remove it"));
}

EncodedImage check_image(const std::string& path, std::string bytes) {
  check_image_head(path, std::string_view(bytes).substr(0, kImageHeadBytes));
  const FileBytes in(path, bytes);
  EncodedImage encoded;
  encoded.format = *image_format(bytes);
  Walked walked = walk(encoded.format, in);
  in.check_size(walked.size);
  encoded.size = pixels_of(walked.size);
  encoded.frame = pixels_of(walked.frame.value_or(walked.size));
  encoded.left = static_cast<int>(walked.left);
  encoded.top = static_cast<int>(walked.top);
  encoded.bytes = walked.rewritten ? std::move(*walked.rewritten) : std::move(bytes);
  return encoded;
}

}  // namespace ipirm::data
