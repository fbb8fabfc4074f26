// The contrastive losses over a whole batch: InfoNCE and its debiased form (METHOD 4, 7).
#pragma once

#include <torch/types.h>

namespace ipirm::loss {

// InfoNCE of B pairs: mean over the 2B views i of -l_ip + log Σ_{j≠i} exp(l_ij), l = S/temperature.
// z1, z2 (B, d), B >= 1. Scalar, differentiable.
torch::Tensor info_nce(const torch::Tensor& z1, const torch::Tensor& z2, double temperature);

// The debiased form (Chuang et al. 2020): mean of -log(pos/(pos+Ng)), Ng = max((-tau n pos +
// neg)/(1-tau), n e^{-1/T}), n = 2B-2 negatives. tau_plus in [0, 1). B >= 2. Scalar,
// differentiable.
torch::Tensor debiased_info_nce(const torch::Tensor& z1, const torch::Tensor& z2,
                                double temperature, double tau_plus);

}  // namespace ipirm::loss
