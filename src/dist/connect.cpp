// Meets the other processes at a TCPStore and makes c10d's backends; NCCL's comes from a library
// that is loaded where a GPU is used.
#define USE_C10D_GLOO  // says that LibTorch has it, as it does
#include "ipirm/dist/connect.h"

#include <dlfcn.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <random>
#include <sstream>
#include <thread>

#include "dist/backend_group.h"
#include "dist/nccl/make_nccl.h"
#include "ipirm/core/error.h"

namespace ipirm::dist {
namespace {

using std::chrono::milliseconds;

Store meet(const Launch& launch, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(launch.port);
  options.isServer = !launch.is_hosted && launch.rank == 0;
  options.numWorkers = static_cast<size_t>(launch.size);
  options.waitWorkers = !launch.is_hosted;
  options.timeout = timeout;
  return c10::make_intrusive<c10d::TCPStore>(launch.host, options);
}

std::vector<uint8_t> as_bytes(const std::string& text) { return {text.begin(), text.end()}; }

// The text under a key of the store; "" where there is none yet.
std::string look_up(const Store& store, const std::string& key) {
  if (!store->check({key})) return "";
  const auto bytes = store->get(key);
  return {bytes.begin(), bytes.end()};
}

// A name for this meeting, the same in every rank. torchrun keeps one store while it restarts
// processes, in which those of an earlier attempt have left their addresses: each process brings a
// word of its own, and rank 0 announces whose words it has seen until all have found theirs.
std::string name_of_meeting(const Store& store, const Launch& launch, milliseconds timeout) {
  constexpr auto kBetweenLooks = milliseconds(20);
  const auto key = [](const char* what, int rank) { return core::cat(what, rank); };
  std::random_device random;
  const auto word = core::cat(random(), ".", random(), ";");
  store->set(key("ipirm_hello/", launch.rank), as_bytes(word));
  const auto end = std::chrono::steady_clock::now() + timeout;
  for (; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(kBetweenLooks)) {
    if (launch.rank != 0) {
      // "NAME;WORD1;WORD2;...;", of which the name is rank 0's word.
      const auto call = look_up(store, "ipirm_call");
      if (call.find(word) == std::string::npos) continue;
      const auto name = call.substr(0, call.find(';'));
      store->set(key(core::cat("ipirm_here/", name, "/").c_str(), launch.rank), as_bytes(word));
      return name;
    }
    std::string call = word;
    bool all_here = true;
    const auto name = word.substr(0, word.find(';'));
    for (int rank = 1; rank < launch.size; ++rank) {
      call += look_up(store, key("ipirm_hello/", rank));
      all_here = all_here && store->check({key(core::cat("ipirm_here/", name, "/").c_str(), rank)});
    }
    if (all_here) return name;
    store->set("ipirm_call", as_bytes(call));
  }
  throw std::runtime_error(
      core::cat("not all processes came within ", timeout.count() / 1000, " s (--dist_timeout)"));
}

// Gloo that can be given up: whoever waits for this process then notices at once.
class Gloo : public c10d::ProcessGroupGloo {
 public:
  using ProcessGroupGloo::ProcessGroupGloo;
  void abort() override {
    for (const auto& context : contexts_) context->closeConnections();
  }
};

// GLOO_SOCKET_IFNAME names network interfaces, separated by commas, as it does for PyTorch.
Backend make_gloo(const Store& store, const Launch& launch, milliseconds timeout) {
  auto options = Gloo::Options::create(timeout);
  if (const char* const names = std::getenv("GLOO_SOCKET_IFNAME"); names && *names) {
    std::istringstream list(names);
    for (std::string name; std::getline(list, name, ',');)
      options->devices.push_back(Gloo::createDeviceForInterface(name));
  } else {
    options->devices.push_back(Gloo::createDefaultDevice());
  }
  options->threads = static_cast<int>(options->devices.size()) * 2;
  return c10::make_intrusive<Gloo>(store, launch.rank, launch.size, options);
}

Backend make_nccl(const Store& store, const Launch& launch, torch::Device device,
                  milliseconds timeout) {
  void* const library = dlopen("libipirm_nccl.so", RTLD_NOW | RTLD_GLOBAL);
  void* const make = library ? dlsym(library, kMakeNccl) : nullptr;
  if (!make) {
    throw core::UserError(core::cat("several processes on GPUs need libipirm_nccl.so (", dlerror(),
                                    "); src/dist/README.md says how it is built"));
  }
  return reinterpret_cast<MakeNccl*>(make)(store, launch.rank, launch.size, device, timeout);
}

}  // namespace

std::shared_ptr<Group> connect(const Launch& launch, torch::Device device, milliseconds timeout) {
  if (launch.is_alone()) return alone();
  try {
    Store store = meet(launch, timeout);
    store = c10::make_intrusive<c10d::PrefixStore>(name_of_meeting(store, launch, timeout), store);
    const auto part = [&](const char* name) -> Store {
      return c10::make_intrusive<c10d::PrefixStore>(name, store);
    };
    auto gloo = make_gloo(part("ipirm_gloo"), launch, timeout);
    auto nccl =
        device.is_cpu() ? Backend() : make_nccl(part("ipirm_nccl"), launch, device, timeout);
    return std::make_shared<BackendGroup>(std::move(gloo), std::move(nccl), store);
  } catch (const core::UserError&) {
    throw;
  } catch (const std::exception& error) {
    throw core::UserError(core::cat("rank ", launch.rank, " of ", launch.size,
                                    " did not meet the others at ", launch.host, ":", launch.port,
                                    " (MASTER_ADDR, MASTER_PORT): ", core::first_line(error)));
  }
}

}  // namespace ipirm::dist
