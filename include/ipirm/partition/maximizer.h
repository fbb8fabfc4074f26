// The maximization step (METHOD 5): Adam over the partition logits until the risk stops getting
// worse for the network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>

#include "ipirm/loss/mixup.h"
#include "ipirm/partition/options.h"

namespace ipirm::partition {

// n samples of one batch, on the device of the search.
struct FeatureBatch {
  torch::Tensor index;   // (n) int64: positions in the set
  torch::Tensor z1, z2;  // projections of two views: (n, d), or those of more samples
  std::optional<torch::Tensor> rows = {};  // (n) int64: which rows of z1 and z2 are the batch's
  std::optional<loss::Mix> mix = {};       // how the first views were mixed: chooses the MixUp risk
};

// Where the features of each pass come from.
class FeatureSource {
 public:
  virtual ~FeatureSource() = default;
  virtual int64_t size() const = 0;  // N samples
  virtual int64_t batches_per_pass() const = 0;
  virtual void start_pass(int64_t pass) = 0;       // 0, 1, ...
  virtual std::optional<FeatureBatch> next() = 0;  // nothing after the last batch of the pass
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

// What one pass came to; means over its batches.
struct PassReport {
  int64_t pass = 0;  // from 0
  double risk = 0, contrastive = 0, invariance = 0, balance = 0;
  double best_risk = 0;
  double lr = 0;
};

struct Maximization {
  torch::Tensor logits;  // (N, K) the best partition: logits after the pass of least mean risk
  torch::Tensor last;    // (N, K) the logits at the stop
  int64_t passes = 0;    // made
  int64_t best_pass = 0;
  double best_risk = 0;
  bool interrupted = false;  // stop() ended it
};

// A search after some whole passes: all that it needs to go on, to the same bits. Shares no memory
// with the search, so that it may be saved while that goes on.
struct SearchState {
  int64_t passes = 0;           // made
  torch::Tensor logits;         // (N, K) as they stand
  torch::Tensor first, second;  // (N, K) Adam's moments
  torch::Tensor step;           // Adam's number of steps, float32 scalar
  torch::Tensor best;           // (N, K) undefined before the first pass
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
// `interrupted` set and a result of no meaning; `state` then holds the last whole pass. Throws
// NotFiniteError.
Maximization maximize(FeatureSource& source, SearchState& state, const MaximizeOptions& options,
                      const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass);
// A whole search from `initial` (N, K), which is left as it is.
Maximization maximize(FeatureSource& source, const torch::Tensor& initial,
                      const MaximizeOptions& options, const std::function<bool()>& stop,
                      const std::function<void(const PassReport&)>& after_pass);

// Standard normal logits (N, K) float32 on the CPU, keyed by (seed, maximization, sample).
torch::Tensor random_logits(int64_t num_samples, int64_t num_env, uint64_t seed,
                            uint64_t maximization);

}  // namespace ipirm::partition
