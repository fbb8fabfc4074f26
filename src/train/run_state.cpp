// Writes and reads a run's state as a torch file: weights, Adam's moments, partitions, counters.
#include "ipirm/train/run_state.h"

#include <algorithm>
#include <map>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::train {
namespace {

constexpr int64_t kVersion =
    3;  // 1: without a search under way; 1, 2: without the data's fingerprint
constexpr const char* kData = "data.fingerprint";
// int64 values of the tensor "run": version, epoch, phase, step, total_steps, three text sizes,
// number of partitions.
constexpr int64_t kNumCounters = 9;

std::string numbered(const char* name, size_t number) { return core::cat(name, ".", number); }

}  // namespace

checkpoint::StateDict copy_run_state(const RunState& state,
                                     const std::array<uint64_t, 3>& text_sizes) {
  torch::NoGradGuard no_grad;
  auto tensors = checkpoint::state_dict(*state.model);
  auto adam = state.adam;  // tensors are shared, not copied
  for (size_t i = 0; i < adam.parameters().size(); ++i) {
    tensors.emplace_back(numbered("adam_first", i), adam.first_moments()[i]);
    tensors.emplace_back(numbered("adam_second", i), adam.second_moments()[i]);
    tensors.emplace_back(numbered("adam_step", i), adam.steps()[i]);
  }
  for (size_t p = 0; p < state.partitions.logits().size(); ++p) {
    tensors.emplace_back(numbered("partition", p), state.partitions.logits()[p]);
  }
  if (const auto& search = state.search) {
    tensors.emplace_back("search.logits", search->logits);
    tensors.emplace_back("search.first", search->first);
    tensors.emplace_back("search.second", search->second);
    tensors.emplace_back("search.step", search->step);
    if (search->best.defined()) tensors.emplace_back("search.best", search->best);
    tensors.emplace_back("search.counters",
                         torch::tensor({search->passes, search->best_pass}, torch::kInt64));
    tensors.emplace_back("search.best_risk", torch::full({}, search->best_risk, torch::kFloat64));
  }
  if (state.data) tensors.emplace_back(kData, data::to_tensor(*state.data));
  const auto& at = state.position;
  tensors.emplace_back("loss_sum", torch::full({}, at.loss_sum, torch::kFloat64));
  tensors.emplace_back(
      "run",
      torch::tensor({kVersion, at.epoch, static_cast<int64_t>(at.phase), at.step, at.total_steps,
                     static_cast<int64_t>(text_sizes[0]), static_cast<int64_t>(text_sizes[1]),
                     static_cast<int64_t>(text_sizes[2]), state.partitions.size()},
                    torch::kInt64));
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.detach().to(torch::kCPU, tensor.scalar_type(), /*non_blocking=*/false,
                                /*copy=*/true);
  }
  return tensors;
}

checkpoint::StateDict weights_of(const checkpoint::StateDict& run_state) {
  checkpoint::StateDict weights;
  for (const auto& [name, tensor] : run_state) {
    if (name.rfind("module.", 0) == 0) weights.emplace_back(name, tensor);
  }
  return weights;
}

SavedState read_run_state(const std::filesystem::path& path) {
  SavedState saved;
  saved.tensors = checkpoint::read_torch_file(path);
  const auto [name, run] =
      saved.tensors.empty() ? checkpoint::StateDict::value_type() : saved.tensors.back();
  if (name != "run" || run.scalar_type() != torch::kInt64 || run.dim() != 1 || run.size(0) < 1) {
    throw core::UserError(core::cat(
        path.string(), ": holds no run state (no tensor 'run' at its end); to start from ",
        "weights alone use --pretrain_model"));
  }
  const auto counters = run.contiguous();
  const int64_t* value = counters.const_data_ptr<int64_t>();
  if (value[0] < 1 || value[0] > kVersion || counters.size(0) != kNumCounters) {
    throw core::UserError(core::cat(
        path.string(), ": run state of version ", value[0], ", this program reads versions 1 to ",
        kVersion, "; resume with the program that wrote it, or start anew with --overwrite"));
  }
  if (value[1] < 1 || value[2] > 2 ||
      std::any_of(value + 2, value + kNumCounters, [](int64_t v) { return v < 0; })) {
    throw core::UserError(
        core::cat(path.string(), ": the counters in 'run' are out of range; the file is damaged"));
  }
  saved.position = {value[1], static_cast<Phase>(value[2]), value[3], value[4], 0};
  for (size_t i = 0; i < 3; ++i) saved.text_sizes[i] = static_cast<uint64_t>(value[5 + i]);
  saved.num_partitions = value[8];
  for (const auto& [key, tensor] : saved.tensors) {
    if (key == kData) saved.data = data::fingerprint_from(tensor, path);
  }
  return saved;
}

namespace {

// The search under way. Throws UserError for tensors that are missing or do not belong together.
void restore_search(RunState& state, const std::map<std::string, torch::Tensor>& tensors,
                    const std::filesystem::path& source) {
  const auto device = state.adam.parameters().front().device();
  const auto find = [&](const std::string& name, torch::IntArrayRef shape,
                        torch::ScalarType dtype) {
    const auto found = tensors.find("search." + name);
    if (found == tensors.end() || found->second.sizes() != shape ||
        found->second.scalar_type() != dtype) {
      throw core::UserError(core::cat(source.string(), ": 'search.", name,
                                      "' is missing or of another shape or type than ", shape, " ",
                                      dtype, "; the file is damaged"));
    }
    return found->second;
  };
  const auto counters = find("counters", {2}, torch::kInt64).contiguous();
  const auto logits = tensors.find("search.logits");
  const auto shape =
      logits == tensors.end() ? std::vector<int64_t>{0, 0} : logits->second.sizes().vec();
  partition::SearchState search;
  search.passes = counters[0].item<int64_t>();
  search.best_pass = counters[1].item<int64_t>();
  search.best_risk = find("best_risk", {}, torch::kFloat64).item<double>();
  search.logits = find("logits", shape, torch::kFloat32).to(device);
  search.first = find("first", shape, torch::kFloat32).to(device);
  search.second = find("second", shape, torch::kFloat32).to(device);
  search.step = find("step", {}, torch::kFloat32).to(device);
  if (search.passes > 0) search.best = find("best", shape, torch::kFloat32).to(device);
  if (shape.size() != 2 || search.passes < 0 || search.best_pass < 0 ||
      search.best_pass > search.passes) {
    throw core::UserError(core::cat(source.string(), ": the state of the search under way is out ",
                                    "of range; the file is damaged"));
  }
  state.search = std::move(search);
}

void check_same_data(const RunState& state, const SavedState& saved,
                     const std::filesystem::path& source) {
  if (!state.data) return;
  if (!saved.data) {
    core::log_info(core::cat(source.string(), ": was saved by a version that kept no fingerprint ",
                             "of the data: whether they are the same is not checked"));
    return;
  }
  const auto different = data::difference(*saved.data, *state.data);
  if (different.empty()) return;
  throw core::UserError(
      core::cat(source.string(), ": the run was started on other data, which differ in ", different,
                "; resume with those (--dataset, --data_root), or start anew with --overwrite"));
}

}  // namespace

void restore(RunState& state, const SavedState& saved, const std::filesystem::path& source) {
  torch::NoGradGuard no_grad;
  check_same_data(state, saved, source);
  checkpoint::load_state_dict(*state.model, weights_of(saved.tensors), source);
  const std::map<std::string, torch::Tensor> rest(saved.tensors.begin(), saved.tensors.end());
  const auto fill = [&](torch::Tensor& into, const std::string& name) {
    const auto found = rest.find(name);
    if (found == rest.end() || found->second.sizes() != into.sizes()) {
      throw core::UserError(core::cat(
          source.string(), ": '", name, "' is missing or of another shape than this run's ",
          into.sizes(), "; resume with the settings of the run that wrote it"));
    }
    into.copy_(found->second);
  };
  for (size_t i = 0; i < state.adam.parameters().size(); ++i) {
    fill(state.adam.first_moments()[i], numbered("adam_first", i));
    fill(state.adam.second_moments()[i], numbered("adam_second", i));
    fill(state.adam.steps()[i], numbered("adam_step", i));
  }
  for (int64_t p = 0; p < saved.num_partitions; ++p) {
    const auto found = rest.find(numbered("partition", static_cast<size_t>(p)));
    if (found == rest.end() || found->second.dim() != 2) {
      throw core::UserError(core::cat(source.string(), ": partition ", p, " of ",
                                      saved.num_partitions, " is missing; the file is damaged"));
    }
    state.partitions.add(found->second);
  }
  if (rest.count("search.counters") != 0) restore_search(state, rest, source);
  auto loss_sum = torch::zeros({}, torch::kFloat64);
  fill(loss_sum, "loss_sum");
  state.position = saved.position;
  state.position.loss_sum = loss_sum.item<double>();
}

}  // namespace ipirm::train
