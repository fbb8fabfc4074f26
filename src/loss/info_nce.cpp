// InfoNCE over a batch, plain and debiased.
#include "ipirm/loss/info_nce.h"

#include <limits>

namespace ipirm::loss {
namespace {

// Logits (2B, 2B) with -inf on the diagonal, and those of the positives (2B).
std::pair<torch::Tensor, torch::Tensor> logits(const torch::Tensor& z1, const torch::Tensor& z2,
                                               double temperature) {
  const auto z = torch::cat({z1, z2});
  const auto diagonal = torch::eye(z.size(0), z.options().dtype(torch::kBool));
  return {
      (z.mm(z.t()) / temperature).masked_fill(diagonal, -std::numeric_limits<double>::infinity()),
      (z1 * z2).sum(1).repeat(2) / temperature};
}

}  // namespace

torch::Tensor info_nce(const torch::Tensor& z1, const torch::Tensor& z2, double temperature) {
  const auto [l, positive] = logits(z1, z2, temperature);
  return (l.logsumexp(1) - positive).mean();
}

torch::Tensor debiased_info_nce(const torch::Tensor& z1, const torch::Tensor& z2,
                                double temperature, double tau_plus) {
  const auto [l, positive] = logits(z1, z2, temperature);
  const auto n = static_cast<double>(l.size(0) - 2);
  // Exponentials relative to the row's largest logit, so that none overflows; the shift cancels in
  // the quotient.
  const auto shift = l.detach().amax(1);
  const auto pos = (positive - shift).exp();
  const auto neg = (l - shift.unsqueeze(1)).exp().sum(1) - pos;
  const auto least = n * (-1 / temperature - shift).exp();
  const auto ng = torch::maximum((neg - tau_plus * n * pos) / (1 - tau_plus), least);
  return ((pos + ng).log() + shift - positive).mean();
}

}  // namespace ipirm::loss
