// Feature files of any model, checked row by row before a search that would only say NaN.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>

namespace ipirm::app {

// Features of two views of N samples: (N, d) each, one dtype (float32 or float64), N >= 2, finite,
// no row of zeros; on the CPU.
struct Features {
  torch::Tensor z1, z2;
  std::string warning;  // a line about the first row whose length is not 1 within 1 %, or ""
};

// Throws UserError naming the file, the row, what was found and expected, and what to do.
Features read_features(const std::filesystem::path& view1, const std::filesystem::path& view2);

// Codes of samples (N, D), float32 or float64, N and D at least 1, finite; on the CPU. Throws as
// read_features() does.
torch::Tensor read_codes(const std::filesystem::path& path);

// First logits (N, K), converted to `dtype`. Throws UserError unless they are float32 or float64 of
// this shape and finite in `dtype`.
torch::Tensor read_logits(const std::filesystem::path& path, int64_t num_samples, int64_t num_env,
                          torch::ScalarType dtype);

}  // namespace ipirm::app
