// Writes features, factors and pictures as the projector reads them.
#include "ipirm/observe/projector.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/inspect/picture.h"

namespace ipirm::observe {
namespace {

constexpr int kSide = 32;  // of a picture in the sprite, pixels

constexpr const char* kConfig =
    "embeddings {\n"
    "  tensor_name: \"features\"\n"
    "  tensor_path: \"projector_features.tsv\"\n"
    "  metadata_path: \"projector_metadata.tsv\"\n"
    "  sprite {\n"
    "    image_path: \"projector_sprite.png\"\n"
    "    single_image_dim: 32\n"
    "    single_image_dim: 32\n"
    "  }\n"
    "}\n";

// Six digits: more than the projector's 32-bit arithmetic shows.
std::string rows_of(const torch::Tensor& features) {
  const auto rows = features.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const auto values = rows.accessor<float, 2>();
  std::string text;
  char number[32];
  for (int64_t i = 0; i < rows.size(0); ++i) {
    for (int64_t j = 0; j < rows.size(1); ++j) {
      std::snprintf(number, sizeof number, "%s%.6g", j == 0 ? "" : "\t",
                    static_cast<double>(values[i][j]));
      text += number;
    }
    text += '\n';
  }
  return text;
}

// A name in a table whose fields end with a tab.
std::string field(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

std::string value_name(const data::Factor& factor, int64_t i) {
  const auto value = factor.values[static_cast<size_t>(i)];
  return value < 0 ? "unknown" : field(factor.shown_name_of(value));
}

std::string metadata_of(const data::ImageSet& set, int64_t count) {
  std::string text = "image";
  for (const auto& factor : set.factors()) text += "\t" + field(factor.name);
  text += '\n';
  for (int64_t i = 0; i < count; ++i) {
    text += set.name(i).empty() ? core::cat(i) : field(set.name(i));
    for (const auto& factor : set.factors()) text += "\t" + value_name(factor, i);
    text += '\n';
  }
  return text;
}

// A square of pictures, row by row.
std::string sprite_of(const data::ImageSet& set, int64_t count) {
  int columns = 1;
  while (int64_t{columns} * columns < count) ++columns;
  const int rows = static_cast<int>((count + columns - 1) / columns);
  inspect::Picture picture(columns * kSide, std::max(1, rows) * kSide);
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < count; ++i) {
    picture.draw(set.image(i, scratch), static_cast<int>(i % columns) * kSide,
                 static_cast<int>(i / columns) * kSide, kSide);
  }
  const auto png = picture.png();
  return {png.begin(), png.end()};
}

}  // namespace

void write_projector(const std::filesystem::path& folder, const torch::Tensor& features,
                     const data::ImageSet& set) {
  const int64_t count = features.size(0);
  TORCH_INTERNAL_ASSERT(count <= set.size() && count <= kMaxProjected);
  core::write_atomically(folder / "projector_features.tsv", rows_of(features));
  core::write_atomically(folder / "projector_metadata.tsv", metadata_of(set, count));
  core::write_atomically(folder / "projector_sprite.png", sprite_of(set, count));
  core::write_atomically(folder / "projector_config.pbtxt", kConfig);
}

}  // namespace ipirm::observe
