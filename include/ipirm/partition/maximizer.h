// The maximization step (METHOD 5): Adam over the partition logits until the risk stops getting
// worse for the network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>

#include "ipirm/loss/mixup.h"
#include "ipirm/ops/team.h"
#include "ipirm/partition/options.h"

namespace ipirm::partition {

// n samples of one batch, on the device of the search.
struct FeatureBatch {
  // (n) int64: the samples' positions in the set.
  torch::Tensor index;
  // Projections of two views: (n, d), or those of more samples.
  torch::Tensor z1, z2;
  // (n) int64: which rows of z1 and z2 are the batch's. All, in their order, where it is not given.
  std::optional<torch::Tensor> rows = {};
  // How the first views were mixed. It chooses the risk under MixUp.
  std::optional<loss::Mix> mix = {};
};

// Where the features of each pass come from.
class FeatureSource {
 public:
  virtual ~FeatureSource() = default;
  // N samples.
  virtual int64_t size() const = 0;
  virtual int64_t batches_per_pass() const = 0;
  // Passes are numbered 0, 1, ...
  virtual void start_pass(int64_t pass) = 0;
  // Nothing after the last batch of the pass.
  virtual std::optional<FeatureBatch> next() = 0;
};

// Features embedded once, visited in a fresh order each pass; the last, smaller batch counts.
class BankSource : public FeatureSource {
 public:
  // z1, z2 (N, d), N >= 2. batch_size 0: everything in one batch. maximization: the number of this
  // maximization in its run (its epoch), part of the key of the order. shuffle false: the set's
  // order in every pass. lam (N), of z1's type: the first views were mixed.
  BankSource(torch::Tensor z1, torch::Tensor z2, int64_t batch_size, bool shuffle, uint64_t seed,
             uint64_t maximization, torch::Tensor lam = {});
  // The given order (N) int64 in every pass.
  BankSource(torch::Tensor z1, torch::Tensor z2, int64_t batch_size, torch::Tensor order,
             torch::Tensor lam = {});

  int64_t size() const override { return z1_.size(0); }
  int64_t batches_per_pass() const override;
  void start_pass(int64_t pass) override;
  std::optional<FeatureBatch> next() override;

 private:
  torch::Tensor z1_, z2_, lam_, order_;
  int64_t batch_size_, position_ = 0;
  bool shuffle_;
  uint64_t seed_ = 0, maximization_ = 0;
};

// The means of one pass over its batches.
struct PassReport {
  // Passes are numbered from 0.
  int64_t pass = 0;
  double risk = 0, contrastive = 0, invariance = 0, balance = 0;
  // The least risk of the passes so far.
  double best_risk = 0;
  double lr = 0;
};

struct Maximization {
  // (N, K): the best partition, which is the logits after the pass of least mean risk.
  torch::Tensor logits;
  // (N, K): the logits at the stop.
  torch::Tensor last;
  // The number of passes that were made.
  int64_t passes = 0;
  int64_t best_pass = 0;
  double best_risk = 0;
  // stop() ended the search.
  bool interrupted = false;
};

// A search after some whole passes: all that it needs to go on, to the same bits. Shares no memory
// with the search, so that it may be saved while that goes on.
struct SearchState {
  // The number of passes that were made.
  int64_t passes = 0;
  // (N, K), as they stand.
  torch::Tensor logits;
  // (N, K): Adam's moments.
  torch::Tensor first, second;
  // Adam's number of steps, a float32 scalar.
  torch::Tensor step;
  // (N, K); undefined before the first pass.
  torch::Tensor best;
  int64_t best_pass = 0;
  double best_risk = 0;
};

// The state of a search that starts at `initial` (N, K).
SearchState new_search(const torch::Tensor& initial);

// A risk that is no longer finite; names the pass and its terms.
class NotFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Goes on from `state`, which is brought up to date after each whole pass, before after_pass is
// told of it. stop() is asked before each batch: once it says true, the search ends there with
// `interrupted` set and a result of no meaning; `state` then holds the last whole pass. team: makes
// this search together, each member from the same features and state to the same bits; null for one
// who is alone. Throws NotFiniteError.
Maximization maximize(FeatureSource& source, SearchState& state, const MaximizeOptions& options,
                      const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass,
                      const ops::TeamPointer& team = {});
// A whole search from `initial` (N, K), which is left as it is.
Maximization maximize(FeatureSource& source, const torch::Tensor& initial,
                      const MaximizeOptions& options, const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass);

// Standard normal logits (N, K) float32 on the CPU, keyed by (seed, maximization, sample).
torch::Tensor random_logits(int64_t num_samples, int64_t num_env, uint64_t seed,
                            uint64_t maximization);

}  // namespace ipirm::partition
