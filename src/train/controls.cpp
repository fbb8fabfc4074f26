// Sources of partitions that search for nothing: chance, and a known factor.
#include <algorithm>

#include "ipirm/core/error.h"
#include "ipirm/core/to_device.h"
#include "ipirm/partition/sources.h"
#include "ipirm/train/partition_source.h"

namespace ipirm::train {
namespace {

partition::Maximization as_result(const torch::Tensor& logits, RunState& state) {
  partition::Maximization result;
  result.logits = result.last = core::to_device(logits, state.model->parameters().front().device());
  return result;
}

class RandomSource : public PartitionSource {
 public:
  RandomSource(const partition::MaximizeOptions& options, int64_t set_size)
      : options_(options), set_size_(set_size) {}

  std::optional<partition::Maximization> partition(
      RunState& state, int64_t epoch,
      const std::function<void(const partition::PassReport&)>&) override {
    return as_result(
        partition::random_partition(set_size_, options_.num_env, options_.seed,
                                    static_cast<uint64_t>(epoch), options_.risk.balance),
        state);
  }

 private:
  partition::MaximizeOptions options_;
  int64_t set_size_;
};

class FactorSource : public PartitionSource {
 public:
  explicit FactorSource(torch::Tensor logits) : logits_(std::move(logits)) {}

  std::optional<partition::Maximization> partition(
      RunState& state, int64_t, const std::function<void(const partition::PassReport&)>&) override {
    return as_result(logits_, state);
  }

 private:
  torch::Tensor logits_;
};

}  // namespace

std::unique_ptr<PartitionSource> make_random_source(const partition::MaximizeOptions& options,
                                                    const data::ImageSet& set) {
  return std::make_unique<RandomSource>(options, set.size());
}

std::unique_ptr<PartitionSource> make_factor_source(const std::string& factor,
                                                    const partition::MaximizeOptions& options,
                                                    const data::ImageSet& set) {
  const auto& factors = set.factors();
  const auto found = std::ranges::find(factors, factor, &data::Factor::name);
  if (found == factors.end()) {
    std::string known;
    for (const auto& other : factors) known += (known.empty() ? "" : ", ") + other.name;
    throw core::UserError(
        core::cat("--partition_source factor:", factor, ": the training images ",
                  known.empty() ? "have no known factor" : "have the factors " + known,
                  "; name one that they have, or another source"));
  }
  return std::make_unique<FactorSource>(partition::factor_partition(
      torch::tensor(found->values, torch::kInt64), found->num_values, options.num_env, factor));
}

}  // namespace ipirm::train
