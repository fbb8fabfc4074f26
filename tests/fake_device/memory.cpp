// Maps each block of device memory by mmap without access, and opens it by mprotect.
#include "fake_device/memory.h"

#include <ATen/ops/from_blob.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <set>

#include "fake_device/fake_device.h"
#include "fake_device/streams.h"

namespace ipirm::fake_device {
namespace {

struct Block {
  size_t size;           // bytes, whole pages, which is what it counts for
  c10::StreamId stream;  // that it belongs to: another one must be recorded before the block goes
  int unlocked = 0;      // living Unlocks
  Moment last_use = {};  // by any stream
  std::set<c10::StreamId> users = {}, recorded = {};
};

// Never destroyed: tensors in static variables may outlive everything else.
struct Blocks {
  std::mutex mutex;  // guards all
  std::map<uintptr_t, Block> on_device;
  size_t used = 0, peak = 0, limit = std::numeric_limits<int64_t>::max();  // bytes on the device
  std::map<uintptr_t, size_t> pinned;                                      // bytes
};
Blocks& blocks() {
  static auto* const all = new Blocks;
  return *all;
}

size_t whole_pages(size_t bytes) {
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

uintptr_t address_of(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

void release_on_device(void* pointer) {
  const std::lock_guard lock(blocks().mutex);
  const auto found = blocks().on_device.find(address_of(pointer));
  TORCH_INTERNAL_ASSERT(found != blocks().on_device.end());
  for (const auto user : found->second.users) {
    if (user == found->second.stream || found->second.recorded.contains(user)) continue;
    // A deleter must not throw, and this is memory that another tensor would get too early.
    std::fprintf(stderr, "fake device: memory used by stream %d goes without record_stream\n",
                 static_cast<int>(user));
    std::abort();
  }
  munmap(pointer, found->second.size);
  blocks().used -= found->second.size;
  blocks().on_device.erase(found);
}

class DeviceAllocator : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, kDevice};
    const size_t size = whole_pages(bytes);
    const std::lock_guard lock(blocks().mutex);
    TORCH_CHECK_WITH(OutOfMemoryError, blocks().used + size <= blocks().limit,
                     "fake device out of memory. Tried to allocate ", size, " bytes");
    void* const pointer = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pointer == MAP_FAILED) throw std::bad_alloc();
    blocks().on_device[address_of(pointer)] = {size, current_stream()};
    blocks().used += size;
    blocks().peak = std::max(blocks().peak, blocks().used);
    return {pointer, pointer, release_on_device, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return release_on_device; }
  void copy_data(void*, const void*, std::size_t) const override {
    TORCH_INTERNAL_ASSERT(false, "the host copies the device's memory");
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
    const std::lock_guard lock(blocks().mutex);
    const auto found = blocks().on_device.find(address_of(data.get()));
    if (found != blocks().on_device.end()) found->second.recorded.insert(stream.id());
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    const std::lock_guard lock(blocks().mutex);
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (auto* bytes : {&stats.allocated_bytes, &stats.reserved_bytes}) {
      auto& all = (*bytes)[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
      all.current = static_cast<int64_t>(blocks().used);
      all.peak = static_cast<int64_t>(blocks().peak);
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {
    const std::lock_guard lock(blocks().mutex);
    blocks().peak = blocks().used;
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    const std::lock_guard lock(blocks().mutex);
    return {blocks().limit - blocks().used, blocks().limit};
  }
};

void release_pinned(void* pointer) {
  const std::lock_guard lock(blocks().mutex);
  blocks().pinned.erase(address_of(pointer));
  std::free(pointer);
}

class PinnedAllocator : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    constexpr size_t kAlignment = 64;
    void* const pointer =
        std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment);
    if (pointer == nullptr) throw std::bad_alloc();
    const std::lock_guard lock(blocks().mutex);
    blocks().pinned[address_of(pointer)] = bytes;
    return {pointer, pointer, release_pinned, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return release_pinned; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
  // Copies are done at once, so that no block is in use when it comes back.
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}
};

// Counts its Unlocks and sets its protection; the mutex is held.
void add_unlocks(uintptr_t base, Block& block, int change) {
  const bool was_open = block.unlocked > 0;
  block.unlocked += change;
  const bool is_open = block.unlocked > 0;
  if (was_open == is_open) return;
  const int access = is_open ? PROT_READ | PROT_WRITE : PROT_NONE;
  TORCH_INTERNAL_ASSERT(mprotect(reinterpret_cast<void*>(base), block.size, access) == 0);
}

void add_unlocks_to_all(int change) {
  const std::lock_guard lock(blocks().mutex);
  for (auto& [base, block] : blocks().on_device) add_unlocks(base, block, change);
}

// Opens (+1) or closes (-1) a block once more. False for memory that is none of the device's.
bool change_access(uintptr_t base, int change) {
  const std::lock_guard lock(blocks().mutex);
  const auto found = blocks().on_device.find(base);
  if (found == blocks().on_device.end()) return false;
  auto& block = found->second;
  if (change > 0) {
    TORCH_CHECK(comes_after(block.last_use), "stream ", current_stream(),
                " uses memory that stream ", block.last_use.stream,
                " works with, and waits for no event of it");
    block.last_use = work();
    block.users.insert(current_stream());
  }
  add_unlocks(base, block, change);
  return true;
}

}  // namespace

void set_memory(uint64_t bytes) {
  const std::lock_guard lock(blocks().mutex);
  blocks().limit = bytes;
}

c10::DeviceAllocator* device_allocator() {
  static auto* const allocator = new DeviceAllocator;
  return allocator;
}

at::HostAllocator* pinned_allocator() {
  static auto* const allocator = new PinnedAllocator;
  return allocator;
}

bool is_pinned(const void* address) {
  const std::lock_guard lock(blocks().mutex);
  const auto& pinned = blocks().pinned;
  auto block = pinned.upper_bound(address_of(address));
  if (block == pinned.begin()) return false;
  --block;
  return address_of(address) < block->first + block->second;
}

Unlock::Unlock(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.device() != kDevice) return;
  const auto base = address_of(tensor.storage().data());
  if (base != 0 && change_access(base, +1)) base_ = base;
}

Unlock::~Unlock() {
  if (base_ != 0) change_access(base_, -1);
}

UnlockAll::UnlockAll() { add_unlocks_to_all(+1); }
UnlockAll::~UnlockAll() { add_unlocks_to_all(-1); }

at::Tensor as_cpu(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU));
}

}  // namespace ipirm::fake_device
