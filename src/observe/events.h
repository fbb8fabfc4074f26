// The events of TensorBoard's files, encoded: scalars, a text, an image, each of one step; and the
// record that holds one (src/checkpoint/FORMAT.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ipirm/core/named_value.h"

namespace ipirm::observe {

// What an event says of itself. wall_time: seconds since 1970. step >= 0.
struct Moment {
  double wall_time = 0;
  int64_t step = 0;
};

// An encoded PNG image.
struct PngImage {
  int64_t height = 0, width = 0;
  std::string png;
};

// The first event of every file.
std::string version_event(double wall_time);
// A curve's point for each value, whose name is the curve's: float32, as TensorBoard keeps it.
std::string scalars_event(const Moment& at, const core::NamedValues& values);
// Markdown under a name.
std::string text_event(const Moment& at, const std::string& name, const std::string& markdown);
std::string image_event(const Moment& at, const std::string& name, const PngImage& image);

// TFRecord: length (uint64), its masked CRC-32C, the event, its masked CRC-32C.
std::string record_of(std::string_view event);

}  // namespace ipirm::observe
