// partition_risk_mixup with ATen operations, block of rows by block of rows (letters:
// mixup_products.h).
#include "ops/risk_implementations.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "ops/partition_risk_mixup_closed_form.h"
#include "ops/row_blocks.h"

namespace ipirm::ops::aten {
namespace {

using at::Tensor;

// Half of the memory that the operator may take is for blocks, half for z1 z2ᵀ.
constexpr int64_t kSimilarityBytes = kDeviceBlocks.most_bytes / 2;
constexpr BlockLimits kBlocks{kDeviceBlocks.bytes / 2, 1, kDeviceBlocks.most_bytes / 2};
constexpr int64_t kBlockBuffers = 3;  // logits or H, E and one temporary

class BlockProducts : public MixupProducts {
 public:
  // team: shares out the rows, or null.
  BlockProducts(const Tensor& z1, const Tensor& z2, const std::optional<Tensor>& partner,
                double temperature, Team* team)
      : z1_(z1), z2_(z2), temperature_(temperature), team_(team) {
    // z1 z2ᵀ is kept where it is small; otherwise each product computes it anew.
    if (n() * n() * z1.element_size() <= kSimilarityBytes) similarity_ = at::mm(z1, z2.t());
    max = at::zeros({n(), 1}, z1.options());
    own = at::zeros_like(max);
    if (partner) other = at::zeros_like(max);
    for_each_block([&](int64_t begin, int64_t end) {
      const auto l = logits(begin, end);
      max.slice(0, begin, end).copy_(l.amax(1, /*keepdim=*/true));
      own.slice(0, begin, end).copy_(own_entries(l, begin, end).unsqueeze(1));
      if (partner) {
        const auto index = partner->slice(0, begin, end).unsqueeze(1);
        other.slice(0, begin, end).copy_(l.gather(1, index));
      }
    });
    for (const auto& found : {max, own, other}) of_all(found);
  }

  Tensor row_sums(const Tensor& x) override { return rows(x, false); }
  Tensor row_sums_h(const Tensor& x) override { return rows(x, true); }
  Tensor column_sums(const Tensor& x) override { return columns(x, false); }
  Tensor column_sums_h(const Tensor& x) override { return columns(x, true); }

 private:
  int64_t n() const { return z1_.size(0); }

  // Calls visit(begin, end) on ranges of rows that cover 0..n-1, or the team's share of them.
  template <class Visit>
  void for_each_block(Visit visit) const {
    const int64_t rows = rows_of_block(n() * z1_.element_size() * kBlockBuffers, kBlocks, n());
    const auto own_range = own_rows(team_, n());
    for (int64_t begin = own_range.first; begin < own_range.end; begin += rows)
      visit(begin, std::min(begin + rows, own_range.end));
  }

  // What the members of the team have each computed a part of, zeros elsewhere.
  const Tensor& of_all(const Tensor& part) const {
    if (team_ != nullptr && part.defined()) team_->sum(part);
    return part;
  }

  // The entries (i, i) of a block's rows.
  static Tensor own_entries(const Tensor& block, int64_t begin, int64_t end) {
    return block.narrow(1, begin, end - begin).diagonal();
  }

  Tensor logits(int64_t begin, int64_t end) const {
    if (similarity_.defined()) return similarity_.slice(0, begin, end) / temperature_;
    return at::mm(z1_.slice(0, begin, end), z2_.t()).div_(temperature_);
  }

  // Rows [begin, end) of E or H.
  Tensor matrix(int64_t begin, int64_t end, bool times_logits) const {
    const auto l = logits(begin, end);
    auto e = (l - max.slice(0, begin, end)).exp_();
    own_entries(e, begin, end).zero_();
    return times_logits ? e.mul_(l) : e;
  }

  Tensor rows(const Tensor& x, bool times_logits) const {
    auto out = at::zeros(x.sizes(), x.options());
    for_each_block([&](int64_t begin, int64_t end) {
      out.slice(0, begin, end).copy_(at::mm(matrix(begin, end, times_logits), x));
    });
    return of_all(out);
  }
  Tensor columns(const Tensor& x, bool times_logits) const {
    auto out = at::zeros(x.sizes(), x.options());
    for_each_block([&](int64_t begin, int64_t end) {
      out.addmm_(matrix(begin, end, times_logits).t(), x.slice(0, begin, end));
    });
    return of_all(out);
  }

  Tensor z1_, z2_;  // (n, d)
  double temperature_;
  Team* team_;
  Tensor similarity_;  // (n, n), or undefined
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor> shared_partition_risk_mixup(
    const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
    const std::optional<Tensor>& partner, double temperature, double irm_weight, bool nonorm,
    const TeamPointer& team) {
  BlockProducts products(z1, z2, partner, temperature, team.get());
  return partition_risk_mixup_closed_form(products, weights, lam, partner, irm_weight, nonorm);
}

std::tuple<Tensor, Tensor, Tensor> partition_risk_mixup(const Tensor& z1, const Tensor& z2,
                                                        const Tensor& weights, const Tensor& lam,
                                                        const std::optional<Tensor>& partner,
                                                        double temperature, double irm_weight,
                                                        bool nonorm) {
  return shared_partition_risk_mixup(z1, z2, weights, lam, partner, temperature, irm_weight, nonorm,
                                     /*team=*/{});
}

}  // namespace ipirm::ops::aten
