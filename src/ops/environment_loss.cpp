// environment_loss with differentiable ATen operations.
//
// Letters: B samples, M = 2B views, K environments, P partitions; i row view, j column view, p(i)
// the positive of i.
#include "ipirm/ops/environment_loss.h"

#include <limits>
#include <vector>

namespace ipirm::ops {
namespace {

using at::Tensor;

// The environments of one partition, as masks and indices over views.
struct Environments {
  Tensor of_view;  // (M) int64
  Tensor other;    // (M, M) bool: j is no logit of row i (another environment, or i itself)
  Tensor views;    // (K) number of views in each, at least 1
  Tensor before;   // (M) flat index into g (K, M) of column j's position in rows of later samples,
  Tensor after;    // (M) and of earlier ones
};

Environments make_environments(const Tensor& environment, int64_t num_env, const Tensor& diagonal,
                               at::ScalarType dtype) {
  const int64_t batch = environment.size(0);
  Environments out;
  out.of_view = environment.repeat(2);
  out.other = (out.of_view.unsqueeze(1) != out.of_view.unsqueeze(0)).logical_or_(diagonal);
  const auto member = at::one_hot(environment, num_env);     // (B, K)
  const auto count = member.sum(0);                          // (K)
  const auto rank = (member.cumsum(0) * member).sum(1) - 1;  // (B) inside its environment
  const auto size = count.index_select(0, environment);      // (B) of its environment
  const auto base = environment * (2 * batch);
  out.views = (2 * count).clamp_min(1).to(dtype);
  // Positions as in SPEC 10, with the environment's size for N: a column of the first view stands
  // at rank+1 in rows of later samples and at rank in rows of earlier ones, one of the second view
  // at size+rank and size+rank-1.
  out.before = at::cat({base + rank + 1, base + size + rank});
  out.after = at::cat({base + rank, base + size + rank - 1});
  return out;
}

}  // namespace

std::tuple<Tensor, Tensor> environment_loss(const Tensor& z1, const Tensor& z2,
                                            const Tensor& environment, int64_t num_env,
                                            double temperature, double irm_temperature) {
  TORCH_CHECK(z1.dim() == 2 && z1.sizes() == z2.sizes(),
              "environment_loss: z1 and z2 must both be (B, d), found ", z1.sizes(), " and ",
              z2.sizes());
  TORCH_CHECK(environment.dim() == 2 && environment.size(1) == z1.size(0) &&
                  environment.scalar_type() == at::kLong,
              "environment_loss: environment must be (P, B) int64 with B = ", z1.size(0),
              ", found ", environment.sizes(), " ", environment.scalar_type());
  TORCH_CHECK(num_env >= 1, "environment_loss: num_env must be at least 1, found ", num_env);
  TORCH_CHECK(temperature > 0 && irm_temperature > 0,
              "environment_loss: temperatures must be above 0");
  const int64_t batch = z1.size(0), m = 2 * batch;
  const double minus_infinity = -std::numeric_limits<double>::infinity();

  const auto z = at::cat({z1, z2});
  const auto similarity = at::mm(z, z.t());
  const auto positive = (z1 * z2).sum(1).repeat(2);  // (M) S_ip
  const auto diagonal = at::eye(m, z.options().dtype(at::kBool));
  const auto sample = at::arange(batch, environment.options()).repeat(2);
  const auto row_later =
      sample.unsqueeze(1) > sample.unsqueeze(0);  // (M, M) row's sample comes after the column's
  const auto row_earlier = sample.unsqueeze(1) < sample.unsqueeze(0);
  const auto per_environment = [&](const Environments& env, const Tensor& rows) {
    return at::zeros({num_env}, z.options()).index_add(0, env.of_view, rows);
  };

  std::vector<Tensor> contrastive, penalty;
  for (const auto& partition : environment.unbind(0)) {
    const auto env = make_environments(partition, num_env, diagonal, z.scalar_type());
    const auto l = (similarity / temperature).masked_fill(env.other, minus_infinity);
    contrastive.push_back(per_environment(env, l.logsumexp(1) - positive / temperature) /
                          env.views);

    const auto irm_l = similarity / irm_temperature, irm_positive = positive / irm_temperature;
    const auto log_sum =
        irm_l.masked_fill(env.other, minus_infinity).logsumexp(1, /*keepdim=*/true);
    const auto q = (irm_l - log_sum).masked_fill(env.other, minus_infinity).exp();
    const auto row_weight = env.views.index_select(0, env.of_view).reciprocal();  // (M) 1/(2 n_e)
    const auto terms = q * irm_l * row_weight.unsqueeze(1);                       // (M, M)
    const auto share = (irm_positive - log_sum.squeeze(1)).exp();                 // (M) q_ip
    const auto g = at::zeros({num_env * m}, z.options())
                       .index_add(0, env.of_view * m, (share - 1) * irm_positive * row_weight)
                       .index_add(0, env.before, (terms * row_later).sum(0))
                       .index_add(0, env.after, (terms * row_earlier).sum(0));
    penalty.push_back(g.view({num_env, m}).square().sum(1));
  }
  return {at::stack(contrastive), at::stack(penalty)};
}

}  // namespace ipirm::ops
