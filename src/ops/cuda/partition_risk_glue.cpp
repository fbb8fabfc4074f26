// The two partition risks' kernels with tensors: memory for what they return and need, and the
// launches.
#include "ops/cuda/kernels.h"
#include "ops/cuda/partition_risk_launch.h"
#include "ops/cuda/partition_risk_mixup_launch.h"
#include "ops/cuda/runtime.h"

namespace ipirm::ops::cuda {
namespace {

using at::Tensor;

const int64_t* data_or_null(const std::optional<Tensor>& index) {
  return index ? index->const_data_ptr<int64_t>() : nullptr;
}
std::optional<Tensor> contiguous(const std::optional<Tensor>& index) {
  return index ? std::optional(index->contiguous()) : std::nullopt;
}

// What the operators return, not yet written.
struct Results {
  explicit Results(const Tensor& weights)
      : contrastive(at::empty({weights.size(1)}, weights.options())),
        penalty(at::empty_like(contrastive)),
        grad(at::empty(weights.sizes(), weights.options())) {}

  template <class Pointers>
  Pointers pointers() const {
    return {contrastive.mutable_data_ptr<float>(), penalty.mutable_data_ptr<float>(),
            grad.mutable_data_ptr<float>()};
  }

  Tensor contrastive, penalty, grad;
};

Tensor scratch_of(size_t bytes, const Tensor& like) {
  return at::empty({static_cast<int64_t>(bytes)}, like.options().dtype(at::kByte));
}

// The team as the launches see it, whose values lie in the kernels' scratch.
class TeamOf {
 public:
  explicit TeamOf(const TeamPointer& team) {
    if (!team) return;
    team_ = SweepTeam{
        [team](int64_t count) {
          const auto [first, end] = team->own(count);
          return std::pair(first, end);
        },
        [this](double* values, size_t count) { as_tensor(values, count).zero_(); },
        [this, team](double* values, size_t count) { team->sum(as_tensor(values, count)); }};
  }
  TeamOf(const TeamOf&) = delete;
  TeamOf& operator=(const TeamOf&) = delete;

  const SweepTeam* get() const { return team_ ? &*team_ : nullptr; }
  // Before the launch: where its values will lie, bytes.
  void set_scratch(const Tensor& scratch) { scratch_ = scratch; }

 private:
  Tensor as_tensor(const double* values, size_t count) const {
    const auto first =
        reinterpret_cast<const char*>(values) - static_cast<const char*>(scratch_.const_data_ptr());
    return scratch_.slice(0, first, first + static_cast<int64_t>(count * sizeof(double)))
        .view(at::kDouble);
  }

  std::optional<SweepTeam> team_;
  Tensor scratch_;
};

// Sizes of the kernels' arrays are int.
constexpr int64_t kMostSamples = int64_t{1} << 20;

}  // namespace

std::tuple<Tensor, Tensor, Tensor> partition_risk_kernels(const Tensor& z1, const Tensor& z2,
                                                          const Tensor& weights, double temperature,
                                                          double irm_temperature, double irm_weight,
                                                          bool nonorm,
                                                          const std::optional<Tensor>& index,
                                                          const TeamPointer& team) {
  TORCH_CHECK(weights.size(0) <= kMostSamples, "partition_risk: at most ", kMostSamples,
              " samples, found ", weights.size(0));
  const auto first = z1.contiguous(), second = z2.contiguous(), w = weights.contiguous();
  const auto rows = contiguous(index);
  const Results out(w);
  TeamOf members(team);
  const PartitionRiskInputs in{first.const_data_ptr<float>(),
                               second.const_data_ptr<float>(),
                               data_or_null(rows),
                               w.const_data_ptr<float>(),
                               first.size(0),
                               w.size(0),
                               first.size(1),
                               w.size(1),
                               temperature,
                               irm_temperature,
                               irm_weight,
                               nonorm,
                               members.get()};
  const auto scratch = scratch_of(partition_risk_scratch(in), z1);
  members.set_scratch(scratch);
  launch_on(z1, "partition_risk", [&](void* stream) {
    return partition_risk(in, out.pointers<PartitionRiskOutputs>(), scratch.mutable_data_ptr(),
                          stream);
  });
  return {out.contrastive, out.penalty, out.grad};
}

std::tuple<Tensor, Tensor, Tensor> partition_risk_mixup_kernels(
    const Tensor& z1, const Tensor& z2, const Tensor& weights, const Tensor& lam,
    const std::optional<Tensor>& partner, double temperature, double irm_weight, bool nonorm,
    const TeamPointer& team) {
  TORCH_CHECK(weights.size(0) <= kMostSamples, "partition_risk_mixup: at most ", kMostSamples,
              " samples, found ", weights.size(0));
  const auto first = z1.contiguous(), second = z2.contiguous(), w = weights.contiguous();
  const auto mix = lam.contiguous();
  const auto partners = contiguous(partner);
  const Results out(w);
  TeamOf members(team);
  const PartitionRiskMixupInputs in{first.const_data_ptr<float>(),
                                    second.const_data_ptr<float>(),
                                    w.const_data_ptr<float>(),
                                    mix.const_data_ptr<float>(),
                                    data_or_null(partners),
                                    w.size(0),
                                    first.size(1),
                                    w.size(1),
                                    temperature,
                                    irm_weight,
                                    nonorm,
                                    members.get()};
  const auto scratch = scratch_of(partition_risk_mixup_scratch(in), z1);
  members.set_scratch(scratch);
  launch_on(z1, "partition_risk_mixup", [&](void* stream) {
    return partition_risk_mixup(in, out.pointers<PartitionRiskMixupOutputs>(),
                                scratch.mutable_data_ptr(), stream);
  });
  return {out.contrastive, out.penalty, out.grad};
}

}  // namespace ipirm::ops::cuda
