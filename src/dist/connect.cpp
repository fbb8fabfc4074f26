// Meets the other processes at a TCPStore and makes c10d's backends; NCCL's comes from a library
// that is loaded where a GPU is used.
#define USE_C10D_GLOO  // says that LibTorch has it, as it does
#include "ipirm/dist/connect.h"

#include <dlfcn.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <sstream>

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

// GLOO_SOCKET_IFNAME names network interfaces, separated by commas, as it does for PyTorch.
Backend make_gloo(const Store& store, const Launch& launch, milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
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
    const auto store = meet(launch, timeout);
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
