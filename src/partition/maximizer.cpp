// The search for the partition that most violates invariance.
#include "ipirm/partition/maximizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ipirm/core/error.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/core/to_device.h"
#include "ipirm/ops/adam.h"
#include "ipirm/partition/objective.h"

namespace ipirm::partition {
namespace {

constexpr double kLrDecay = 0.2;

double lr_at(const MaximizeOptions& options, int64_t pass) {
  const auto passed = std::count_if(options.milestones.begin(), options.milestones.end(),
                                    [&](int64_t milestone) { return pass >= milestone; });
  return options.lr * std::pow(kLrDecay, static_cast<double>(passed));
}

// Sums of (risk, contrastive, invariance, balance) over a pass, on the device; read once.
PassReport report(int64_t pass, const torch::Tensor& sums, int64_t batches) {
  const auto means =
      (sums.to(torch::kCPU, torch::kFloat64) / static_cast<double>(batches)).contiguous();
  const double* m = means.const_data_ptr<double>();
  return {pass, m[0], m[1], m[2], m[3], 0, 0};
}

void check_finite(const PassReport& now) {
  if (std::isfinite(now.risk)) return;
  throw NotFiniteError(
      core::cat("pass ", now.pass, ": the risk is ", now.risk, " (contrastive ", now.contrastive,
                ", invariance ", now.invariance, ", balance ", now.balance,
                "); the features may hold NaN or be far too large for this temperature"));
}

}  // namespace

BankSource::BankSource(torch::Tensor z1, torch::Tensor z2, int64_t batch_size, bool shuffle,
                       uint64_t seed, uint64_t maximization, torch::Tensor lam)
    : z1_(std::move(z1)),
      z2_(std::move(z2)),
      lam_(std::move(lam)),
      batch_size_(batch_size > 0 ? batch_size : z1_.size(0)),
      shuffle_(shuffle),
      seed_(seed),
      maximization_(maximization) {
  order_ = torch::arange(size(), z1_.options().dtype(torch::kInt64));
}

BankSource::BankSource(torch::Tensor z1, torch::Tensor z2, int64_t batch_size, torch::Tensor order,
                       torch::Tensor lam)
    : z1_(std::move(z1)),
      z2_(std::move(z2)),
      lam_(std::move(lam)),
      order_(std::move(order)),
      batch_size_(batch_size > 0 ? batch_size : z1_.size(0)),
      shuffle_(false) {}

int64_t BankSource::batches_per_pass() const {
  const int64_t full = size() / batch_size_, rest = size() % batch_size_;
  return full + (rest >= 2 || full == 0 ? 1 : 0);  // a single sample has no negatives
}

void BankSource::start_pass(int64_t pass) {
  position_ = 0;
  if (!shuffle_) return;
  const auto order =
      core::permutation(core::KeyedRandom(seed_, core::Purpose::kMaximizeOrder, maximization_,
                                          static_cast<uint64_t>(pass)),
                        size());
  order_ = core::to_device(torch::tensor(order, torch::kInt64), z1_.device());
}

std::optional<FeatureBatch> BankSource::next() {
  if (position_ >= batches_per_pass() * batch_size_) return std::nullopt;
  const auto index = order_.slice(0, position_, std::min(position_ + batch_size_, size()));
  position_ += batch_size_;
  FeatureBatch batch{index, z1_, z2_, index};
  if (lam_.defined()) batch.mix = {lam_.index_select(0, index), {}};
  return batch;
}

SearchState new_search(const torch::Tensor& initial) {
  SearchState state;
  state.logits = initial.clone();
  state.first = torch::zeros_like(initial);
  state.second = torch::zeros_like(initial);
  state.step = torch::zeros({}, initial.options().dtype(torch::kFloat32));
  state.best_risk = std::numeric_limits<double>::infinity();
  return state;
}

Maximization maximize(FeatureSource& source, SearchState& state, const MaximizeOptions& options,
                      const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass,
                      const ops::TeamPointer& team) {
  torch::NoGradGuard no_grad;
  const auto finished = [&] {
    return state.passes >= options.passes ||
           (state.passes > options.stop_after + 1 &&
            state.passes - 1 - state.best_pass >= options.patience);
  };
  Maximization out;
  auto logits = state.logits.clone();
  auto grad = torch::zeros_like(logits);
  ops::Adam adam({logits}, {.lr = options.lr});
  adam.first_moments()[0].copy_(state.first);
  adam.second_moments()[0].copy_(state.second);
  adam.steps()[0].copy_(state.step);
  while (!finished()) {
    const int64_t pass = state.passes;
    adam.set_lr(lr_at(options, pass));
    auto sums = torch::zeros({4}, logits.options());
    int64_t batches = 0;
    source.start_pass(pass);
    while (const auto batch = stop() ? std::nullopt : source.next()) {
      const auto risk = batch_risk(batch->z1, batch->z2, logits.index_select(0, batch->index),
                                   options.risk, batch->rows, batch->mix, team);
      sums.add_(torch::stack({risk.risk, risk.contrastive, risk.invariance, risk.balance}));
      grad.zero_().index_copy_(0, batch->index, risk.grad);
      adam.step({grad});  // dense: rows outside the batch still move by their moments
      ++batches;
    }
    out.interrupted = stop();
    if (out.interrupted) return out;
    auto now = report(pass, sums, batches);
    check_finite(now);
    state.logits = logits.clone();
    state.first = adam.first_moments()[0].clone();
    state.second = adam.second_moments()[0].clone();
    state.step = adam.steps()[0].clone();
    if (now.risk < state.best_risk) {
      state.best_risk = now.risk;
      state.best_pass = pass;
      state.best = state.logits;
    }
    state.passes = pass + 1;
    now.best_risk = state.best_risk;
    now.lr = adam.lr();
    after_pass(now);
  }
  out.logits = state.best;
  out.last = logits;
  out.passes = state.passes;
  out.best_pass = state.best_pass;
  out.best_risk = state.best_risk;
  return out;
}

Maximization maximize(FeatureSource& source, const torch::Tensor& initial,
                      const MaximizeOptions& options, const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass) {
  auto state = new_search(initial);
  return maximize(source, state, options, stop, after_pass);
}

torch::Tensor random_logits(int64_t num_samples, int64_t num_env, uint64_t seed,
                            uint64_t maximization) {
  auto logits = torch::empty({num_samples, num_env}, torch::kFloat32);
  auto values = logits.accessor<float, 2>();
  for (int64_t i = 0; i < num_samples; ++i) {
    core::KeyedRandom random(seed, core::Purpose::kPartitionInit, maximization,
                             static_cast<uint64_t>(i));
    for (int64_t e = 0; e < num_env; ++e) values[i][e] = static_cast<float>(random.normal());
  }
  return logits;
}

}  // namespace ipirm::partition
