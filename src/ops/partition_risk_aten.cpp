// partition_risk's products with ATen operations, block of rows by block of rows.
#include "ops/risk_implementations.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "ops/pair_products.h"
#include "ops/partition_risk_closed_form.h"
#include "ops/risk_views.h"
#include "ops/row_blocks.h"

namespace ipirm::ops::aten {
namespace {

using at::Tensor;

constexpr int64_t kBlockBuffers = 4;  // S, E or H, l and one temporary

// Takes and gives (K, 2, N) in float64; computes (M, K) in the features' type, M = 2N.
class BlockProducts final : public PairProducts {
 public:
  // z (M, d). similarity (M, M): z zᵀ, or undefined, when each product computes it anew. team:
  // shares out the rows, or null.
  BlockProducts(Tensor z, Tensor similarity, double temperature, Team* team)
      : PairProducts(temperature),
        z_(std::move(z)),
        similarity_(std::move(similarity)),
        team_(team) {}

  RowSums row_sums(const Tensor& x) override {
    const auto in = columns(x);
    max_ = at::zeros({m(), 1}, z_.options());
    const auto positive = at::zeros_like(max_), sum = zeros_like(in);
    for_each_block([&](int64_t begin, int64_t end) {
      auto l = similarity(begin, end) / temperature();
      own_entries(l, begin, end).fill_(-std::numeric_limits<double>::infinity());
      auto max = max_.slice(0, begin, end);
      max.copy_(l.amax(1, /*keepdim=*/true));
      auto positives = positive_entries(l, begin, end);
      positive.slice(0, begin, end).copy_(positives.unsqueeze(1));
      positives.fill_(-std::numeric_limits<double>::infinity());
      sum.slice(0, begin, end).copy_(at::mm(l.sub_(max).exp_(), in));
    });
    for (const auto& found : {max_, positive, sum}) of_all(found);
    return {by_view(sum), by_view(positive).narrow(1, 0, 1), by_view(max_)};
  }

  ByPosition position_sums(const Tensor& x) override {
    const auto in = columns(x), later = zeros_like(in), earlier = zeros_like(in);
    for_each_block([&](int64_t begin, int64_t end) {
      const auto h = matrix(begin, end, /*times_similarity=*/true);
      const auto rows = in.slice(0, begin, end);
      for_each_range(begin, end, [&](int64_t from, int64_t to, bool rows_are_later, auto triangle) {
        const auto& sums = rows_are_later ? later : earlier;
        sums.slice(0, from, to).addmm_(triangle(h.slice(1, from, to)).t(), rows);
      });
    });
    return {by_view(of_all(later)), by_view(of_all(earlier))};
  }

  Tensor row_sums_by_position(const ByPosition& x) override {
    const auto later = columns(x.later), earlier = columns(x.earlier);
    const auto out = zeros_like(later);
    for_each_block([&](int64_t begin, int64_t end) {
      const auto h = matrix(begin, end, /*times_similarity=*/true);
      for_each_range(begin, end, [&](int64_t from, int64_t to, bool rows_are_later, auto triangle) {
        const auto& in = rows_are_later ? later : earlier;
        out.slice(0, begin, end).addmm_(triangle(h.slice(1, from, to)), in.slice(0, from, to));
      });
    });
    return by_view(of_all(out));
  }

  Tensor transposed_sums(const Tensor& x) override {
    const auto in = columns(x), out = zeros_like(in);
    for_each_block([&](int64_t begin, int64_t end) {
      out.addmm_(matrix(begin, end, /*times_similarity=*/false).t(), in.slice(0, begin, end));
    });
    return by_view(of_all(out));
  }

 private:
  int64_t m() const { return z_.size(0); }
  int64_t n() const { return z_.size(0) / 2; }

  // Calls visit(begin, end) on ranges of rows that cover 0..M-1, or the team's share of them, and
  // never straddle the two views.
  template <class Visit>
  void for_each_block(Visit visit) const {
    const int64_t rows = rows_of_block(m() * z_.element_size() * kBlockBuffers, kDeviceBlocks, n());
    const auto own = own_rows(team_, m());
    for (int64_t view = 0; view < 2; ++view) {
      const int64_t last = std::min(own.end, (view + 1) * n());
      for (int64_t begin = std::max(own.first, view * n()); begin < last; begin += rows)
        visit(begin, std::min(begin + rows, last));
    }
  }

  // What the members of the team have each computed a part of, zeros elsewhere.
  const Tensor& of_all(const Tensor& part) const {
    if (team_ != nullptr) team_->sum(part);
    return part;
  }

  // Contiguous, whatever x is.
  static Tensor zeros_like(const Tensor& x) { return at::zeros(x.sizes(), x.options()); }

  // Splits the columns of a block's rows by whether the rows' samples are later than the columns'
  // or earlier: visit(from, to, rows_are_later, triangle), where triangle keeps of the block's
  // columns from..to those entries for which that is so.
  template <class Visit>
  void for_each_range(int64_t begin, int64_t end, Visit visit) const {
    const int64_t first_sample = begin % n(), end_sample = first_sample + end - begin;
    const auto all = [](const Tensor& block) { return block; };
    for (int64_t view = 0; view < 2; ++view) {
      const int64_t offset = view * n();
      visit(offset, offset + first_sample, true, all);
      visit(offset + end_sample, offset + n(), false, all);
      visit(offset + first_sample, offset + end_sample, true,
            [](const Tensor& block) { return block.tril(-1); });
      visit(offset + first_sample, offset + end_sample, false,
            [](const Tensor& block) { return block.triu(1); });
    }
  }

  // The entries (i, i) of a block's rows, or those (i, p(i)).
  static Tensor own_entries(const Tensor& block, int64_t begin, int64_t end) {
    return block.narrow(1, begin, end - begin).diagonal();
  }
  Tensor positive_entries(const Tensor& block, int64_t begin, int64_t end) const {
    const int64_t other_view = begin < n() ? n() : -n();
    return own_entries(block, begin + other_view, end + other_view);
  }

  // Rows [begin, end) of S.
  Tensor similarity(int64_t begin, int64_t end) const {
    if (similarity_.defined()) return similarity_.slice(0, begin, end);
    return at::mm(z_.slice(0, begin, end), z_.t());
  }
  // Rows [begin, end) of E or H.
  Tensor matrix(int64_t begin, int64_t end, bool times_similarity) const {
    const auto s = similarity(begin, end), max = max_.slice(0, begin, end);
    auto e = s / temperature();
    own_entries(e, begin, end).copy_(max.squeeze(1));  // keeps exp finite; zeroed below
    e.sub_(max).exp_();
    own_entries(e, begin, end).zero_();
    positive_entries(e, begin, end).zero_();
    return times_similarity ? e.mul_(s) : e;
  }

  // From (K, 1 or 2, N) to (M, K), and back.
  Tensor columns(const Tensor& x) const {
    return x.expand({-1, 2, -1}).reshape({x.size(0), m()}).t().to(z_.scalar_type());
  }
  Tensor by_view(const Tensor& columns) const {
    return columns.t().reshape({columns.size(1), 2, n()}).to(at::kDouble);
  }

  Tensor z_, similarity_;
  Team* team_;
  Tensor max_;  // (M, 1) m_i
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor> shared_partition_risk(const Tensor& z1, const Tensor& z2,
                                                         const Tensor& weights, double temperature,
                                                         double irm_temperature, double irm_weight,
                                                         bool nonorm,
                                                         const std::optional<Tensor>& index,
                                                         const TeamPointer& team) {
  const auto chosen = [&](const Tensor& z) { return index ? z.index_select(0, *index) : z; };
  const auto z = at::cat({chosen(z1), chosen(z2)});
  Tensor similarity;
  if (z.size(0) * z.size(0) * z.element_size() <= kDeviceBlocks.most_bytes) {
    similarity = at::mm(z, z.t());
  }
  BlockProducts products(z, similarity, temperature, team.get());
  BlockProducts irm_products(z, similarity, irm_temperature, team.get());
  const auto [contrastive, penalty, grad] = partition_risk_closed_form<WholeTensors>(
      products, temperature == irm_temperature ? products : irm_products, weights, irm_weight,
      nonorm);
  const auto dtype = z1.scalar_type();
  return {contrastive.to(dtype), penalty.to(dtype), grad.to(dtype)};
}

std::tuple<Tensor, Tensor, Tensor> partition_risk(const Tensor& z1, const Tensor& z2,
                                                  const Tensor& weights, double temperature,
                                                  double irm_temperature, double irm_weight,
                                                  bool nonorm, const std::optional<Tensor>& index) {
  return shared_partition_risk(z1, z2, weights, temperature, irm_temperature, irm_weight, nonorm,
                               index, /*team=*/{});
}

}  // namespace ipirm::ops::aten
