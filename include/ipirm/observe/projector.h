// The files by which TensorBoard's embedding projector shows features (src/checkpoint/FORMAT.md).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>

#include "ipirm/data/image_set.h"

namespace ipirm::observe {

// So many points the projector shows without trouble; the browser computes with all of them.
inline constexpr int64_t kMaxProjected = 2000;

// Writes FOLDER/projector_config.pbtxt and what it names: projector_features.tsv, the rows of
// features (n, d); projector_metadata.tsv, each row's image and its known factors;
// projector_sprite.png, a small picture of each. Row i is image i of the set, n <= its size and
// <= kMaxProjected. Throws WriteError.
void write_projector(const std::filesystem::path& folder, const torch::Tensor& features,
                     const data::ImageSet& set);

}  // namespace ipirm::observe
