// The largest logit of each view, where exponentials must be taken relative to it.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace ipirm::ops {

// max_j≠i z_i·z_j / T over all other views j, for the views of both kinds, into (1, N) each.
// z1, z2 (n, d); index (N) chooses rows. In blocks of rows: at most about 64 MB besides.
void row_maxima(const at::Tensor& z1, const at::Tensor& z2, const std::optional<at::Tensor>& index,
                double temperature, at::Tensor first, at::Tensor second);

// The same for rows z1 against columns z2 alone: max_j z1_i·z2_j / T over all j, into (1, n).
void cross_row_maxima(const at::Tensor& z1, const at::Tensor& z2, double temperature,
                      at::Tensor out);

}  // namespace ipirm::ops
