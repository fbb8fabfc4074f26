// Collectives of c10d, and who is gone when one fails.
#include "dist/backend_group.h"

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"

namespace ipirm::dist {
namespace {

// How long a rank that has lost another one waits for the word of the rest.
constexpr auto kRollCall = std::chrono::seconds(5);
constexpr auto kBetweenLooks = std::chrono::milliseconds(50);
// How much longer it waits for the store itself.
constexpr auto kStoreAnswers = std::chrono::seconds(1);
constexpr const char* kNoStore = "rank 0, or whoever started the processes";

int64_t bytes(const torch::Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); }

std::string key_of(int rank) { return core::cat("ipirm_is_here/", rank); }

std::string names_of(const std::vector<int>& silent, bool is_sure) {
  std::string names = is_sure ? "rank " : "at least one of rank ";
  for (const int rank : silent) names += core::cat(rank == silent.front() ? "" : ", ", rank);
  return names;
}

// Each survivor says that it is here; those that say nothing for some seconds are gone. A process
// that is told to end meanwhile waits no longer.
std::string call_roll(c10d::Store& store, int own_rank, int size) {
  std::vector<int> silent;  // as of the last look that the store answered whole
  bool has_looked = false;
  const auto end = std::chrono::steady_clock::now() + kRollCall;
  try {
    store.set(key_of(own_rank), std::vector<uint8_t>{1});
    do {
      std::vector<int> missing;
      for (int rank = 0; rank < size; ++rank) {
        if (!store.check({key_of(rank)})) missing.push_back(rank);
      }
      silent = std::move(missing);
      has_looked = true;
      if (!silent.empty()) std::this_thread::sleep_for(kBetweenLooks);
    } while (!silent.empty() && std::chrono::steady_clock::now() < end && !core::interrupted());
    if (silent.empty()) return "all ranks answer, but a connection between two of them is lost";
    return names_of(silent, silent.size() == 1 || std::chrono::steady_clock::now() >= end);
  } catch (const std::exception&) {
    // The store went with the process that kept it. Where that process had answered, it has only
    // finished its own roll call a little earlier, and what it was silent about is known here too.
    const bool keeper_answered = has_looked && !silent.empty() && silent.front() != 0;
    return keeper_answered ? names_of(silent, silent.size() == 1) : kNoStore;
  }
}

}  // namespace

template <class Call>
auto BackendGroup::guarded(const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    throw LostError(core::cat("a process of this run is gone: ", who_is_gone(), " (",
                              core::first_line(error), "); go on with --resume"));
  }
}

class BackendGroup::Work : public Pending {
 public:
  Work(BackendGroup& group, c10::intrusive_ptr<c10d::Work> work)
      : group_(group), work_(std::move(work)) {}
  void wait() override {
    group_.guarded([&] { return work_->wait(); });
  }

 private:
  BackendGroup& group_;
  c10::intrusive_ptr<c10d::Work> work_;
};

BackendGroup::BackendGroup(Backend cpu, Backend device, Store store)
    : cpu_(std::move(cpu)), device_(std::move(device)), store_(std::move(store)) {}

BackendGroup::~BackendGroup() = default;

c10d::Backend& BackendGroup::of(const torch::Tensor& tensor) const {
  TORCH_CHECK(tensor.is_contiguous(), "dist: a collective on a tensor that is not contiguous");
  if (tensor.is_cpu()) return *cpu_;
  TORCH_CHECK(device_, "dist: a collective on ", tensor.device(), " in a group of the CPU");
  return *device_;
}

std::unique_ptr<Pending> BackendGroup::start_sum(const torch::Tensor& tensor) {
  traffic_.summed += bytes(tensor);
  std::vector<torch::Tensor> tensors = {tensor};
  return std::make_unique<Work>(*this, guarded([&] { return of(tensor).allreduce(tensors); }));
}

torch::Tensor BackendGroup::gather(const torch::Tensor& rows) {
  auto own = rows.detach().contiguous();
  traffic_.gathered += bytes(own);
  auto shape = own.sizes().vec();
  shape.front() *= size();
  auto all = torch::empty(shape, own.options());
  if (all.numel() > 0) {
    guarded([&] { return of(own)._allgather_base(all, own)->wait(); });
  }
  return all;
}

void BackendGroup::broadcast(const torch::Tensor& tensor) {
  traffic_.broadcast += bytes(tensor);
  std::vector<torch::Tensor> tensors = {tensor};
  guarded([&] { return of(tensor).broadcast(tensors)->wait(); });
}

void BackendGroup::barrier() {
  guarded([&] { return cpu_->barrier()->wait(); });
}

// Who waits for this process alone has not noticed yet, and does when the connections to it are
// closed. A store whose keeper is silent never answers, so that another thread asks it.
std::string BackendGroup::who_is_gone() const {
  cpu_->abort();
  const auto answer = std::make_shared<std::promise<std::string>>();
  auto found = answer->get_future();
  std::thread([answer, store = store_, rank = rank(), size = size()] {
    answer->set_value(call_roll(*store, rank, size));
  }).detach();
  const bool has_answer = found.wait_for(kRollCall + kStoreAnswers) == std::future_status::ready;
  return has_answer ? found.get() : kNoStore;
}

}  // namespace ipirm::dist
