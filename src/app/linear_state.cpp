// Puts a linear evaluation's state into named tensors and takes it out again.
#include "app/linear_state.h"

#include <torch/types.h>

#include <algorithm>
#include <string>
#include <utility>

#include "ipirm/core/error.h"

namespace ipirm::app {
namespace {

constexpr int64_t kVersion = 1;
// int64 values of the tensor "linear": version, epoch, checksum, two text sizes.
constexpr int64_t kNumCounters = 5;
// Numbers of a LinearEpoch, and how many of them the first states had.
constexpr int64_t kNumbers = 12, kFirstNumbers = 7;

// (factors, kNumbers) float64.
torch::Tensor numbers(const std::vector<eval::LinearEpoch>& factors) {
  auto table = torch::empty({static_cast<int64_t>(factors.size()), kNumbers}, torch::kFloat64);
  double* value = table.data_ptr<double>();
  for (const eval::LinearEpoch& e : factors) {
    for (const double number :
         {static_cast<double>(e.epoch), e.train_loss, e.train_top1, e.train_top5, e.test_loss,
          e.test_top1, e.test_top5, e.class_top1, static_cast<double>(e.head), e.held_loss,
          e.held_top1, e.held_top5}) {
      *value++ = number;
    }
  }
  return table;
}

// Takes the last tensor out of `tensors`. Throws UserError unless it is `name`, of `dtype` and of
// `dims` dimensions.
torch::Tensor take_last(checkpoint::StateDict& tensors, const std::string& name,
                        torch::ScalarType dtype, int64_t dims, const std::filesystem::path& path) {
  if (tensors.empty() || tensors.back().first != name ||
      tensors.back().second.scalar_type() != dtype || tensors.back().second.dim() != dims) {
    throw core::UserError(core::cat(path.string(), ": no tensor '", name, "' of ", dims,
                                    " dimensions and type ", dtype, " at its end; it holds no ",
                                    "state of a linear evaluation, or is damaged"));
  }
  const torch::Tensor tensor = tensors.back().second.contiguous();
  tensors.pop_back();
  return tensor;
}

std::vector<eval::LinearEpoch> take_numbers(checkpoint::StateDict& tensors, const std::string& name,
                                            const std::filesystem::path& path) {
  const auto table = take_last(tensors, name, torch::kFloat64, 2, path);
  const int64_t columns = table.size(1);
  if (columns != kNumbers && columns != kFirstNumbers) {
    throw core::UserError(core::cat(path.string(), ": '", name, "' is ", table.sizes(),
                                    ", expected ", kFirstNumbers, " or ", kNumbers,
                                    " columns; the file is damaged"));
  }
  const auto is_count = [](double number) { return number >= 0 && number <= 1e15; };
  std::vector<eval::LinearEpoch> factors;
  const double* value = table.const_data_ptr<double>();
  for (int64_t f = 0; f < table.size(0); ++f, value += columns) {
    const double head = columns == kNumbers ? value[8] : 0;
    if (!is_count(value[0]) || !is_count(head)) {
      throw core::UserError(core::cat(path.string(), ": an epoch in '", name, "' is ", value[0],
                                      ", its head ", head, "; the file is damaged"));
    }
    eval::LinearEpoch e{
        static_cast<int64_t>(value[0]), value[1], value[2], value[3], value[4], value[5], value[6]};
    if (columns == kNumbers) {
      e.class_top1 = value[7];
      e.head = static_cast<int64_t>(head);
      e.held_loss = value[9];
      e.held_top1 = value[10];
      e.held_top5 = value[11];
    }
    factors.push_back(e);
  }
  return factors;
}

}  // namespace

checkpoint::StateDict to_tensors(const LinearState& state) {
  checkpoint::StateDict tensors = state.probe;
  tensors.emplace_back("best", numbers(state.best));
  tensors.emplace_back("last", numbers(state.last));
  tensors.emplace_back("data.train", data::to_tensor(state.train));
  tensors.emplace_back("data.test", data::to_tensor(state.test));
  tensors.emplace_back("linear", torch::tensor({kVersion, state.epoch, int64_t{state.encoder},
                                                static_cast<int64_t>(state.text_sizes[0]),
                                                static_cast<int64_t>(state.text_sizes[1])},
                                               torch::kInt64));
  return tensors;
}

LinearState read_linear_state(const std::filesystem::path& path) {
  LinearState state;
  state.probe = checkpoint::read_torch_file(path);
  const auto counters = take_last(state.probe, "linear", torch::kInt64, 1, path);
  const int64_t* value = counters.const_data_ptr<int64_t>();
  if (counters.size(0) < 1 || value[0] != kVersion || counters.size(0) != kNumCounters) {
    throw core::UserError(
        core::cat(path.string(), ": state of version ", counters.size(0) < 1 ? 0 : value[0],
                  ", this program reads version ", kVersion,
                  "; resume with the program that wrote it, or start anew with --overwrite"));
  }
  if (value[1] < 1 || value[2] > int64_t{UINT32_MAX} ||
      std::any_of(value + 2, value + kNumCounters, [](int64_t v) { return v < 0; })) {
    throw core::UserError(core::cat(
        path.string(), ": the counters in 'linear' are out of range; the file is damaged"));
  }
  state.epoch = value[1];
  state.encoder = static_cast<uint32_t>(value[2]);
  state.text_sizes = {static_cast<uint64_t>(value[3]), static_cast<uint64_t>(value[4])};
  state.test =
      data::fingerprint_from(take_last(state.probe, "data.test", torch::kInt64, 1, path), path);
  state.train =
      data::fingerprint_from(take_last(state.probe, "data.train", torch::kInt64, 1, path), path);
  state.last = take_numbers(state.probe, "last", path);
  state.best = take_numbers(state.probe, "best", path);
  return state;
}

}  // namespace ipirm::app
