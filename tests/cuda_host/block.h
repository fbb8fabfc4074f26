// One CUDA block on the host: its threads in an order drawn from a seed, its barriers, what the
// lanes of a warp show each other, its shared memory.
//
// A thread runs until it must wait for others. So whoever reads what another thread has not yet
// written, for want of a barrier, reads poison (NaN) in some order of the threads. Even seeds let
// threads go on in turn; with odd ones a warp runs as far ahead of the others as it can.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda_host/fibers.h"
#include "cuda_host/place.h"
#include "cuda_host/sync_sites.h"

namespace cuda_host {

// A fault of a kernel that the host run found: a divergent barrier, threads that wait for ever,
// shared memory that was overrun, an address that is not aligned.
class Fault : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

struct Dim3 {
  unsigned x, y, z;
  // As CUDA's dim3, which this is.
  constexpr Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  size_t count() const { return size_t{x} * y * z; }
  // The place that comes `number`-th, x fastest.
  Dim3 at(size_t number) const {
    return {static_cast<unsigned>(number % x), static_cast<unsigned>(number / x % y),
            static_cast<unsigned>(number / x / y)};
  }
};

constexpr int kWarp = 32;
constexpr unsigned char kPoison = 0xff;  // as float: NaN; as int: -1

// 16 bytes on their way from global to shared memory: bytes beyond `bytes` become 0.
struct AsyncCopy {
  void* to;
  const void* from;
  size_t bytes;
};

class Block {
 public:
  // What a lane shows to the others in a collective: up to 32 bytes each.
  struct Slots {
    alignas(16) unsigned char bytes[kWarp][32];
    template <class T>
    T get(int lane) const {
      static_assert(sizeof(T) <= sizeof(bytes[0]));
      T value;
      std::memcpy(&value, bytes[lane], sizeof value);
      return value;
    }
  };

  Block(Dim3 grid, Dim3 dim, size_t shared_bytes)
      : grid_(grid),
        dim_(dim),
        stacks_(dim.count()),
        fibers_(dim.count()),
        shared_bytes_(shared_bytes),
        shared_(static_cast<unsigned char*>(
            ::operator new (shared_bytes + kFence, std::align_val_t{kSharedAlignment}))) {}
  ~Block() { ::operator delete (shared_, std::align_val_t{kSharedAlignment}); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Runs `body` in all threads of the block number `index`, in an order that `seed` draws. Throws
  // Fault, and what body throws.
  void run(size_t index, unsigned seed, const std::function<void()>& body);

  // The block whose threads this OS thread runs.
  static Block& current() { return *running(); }

  // Of the thread that runs.
  const Dim3& thread() const { return fibers_[number()].thread; }
  const Dim3& block() const { return index_; }
  const Dim3& grid() const { return grid_; }
  const Dim3& dim() const { return dim_; }
  int lane() const { return static_cast<int>(number()) % kWarp; }
  unsigned char* shared() const { return shared_; }
  std::vector<std::vector<AsyncCopy>>& copies() { return fibers_[number()].copies; }

  // Waits for all threads of the block that have not returned.
  void barrier(Place place) {
    if (!SyncSites::of_process().leaves_out(place)) arrive(barrier_, live_, place, "__syncthreads");
  }
  // Shows `value` to the lanes of the mask and waits for theirs. What is returned stays valid until
  // the lane's collective after the next one of the same mask.
  template <class T>
  const Slots& show(unsigned mask, const T& value, Place place, const char* what) {
    static_assert(sizeof(T) <= sizeof(Slots::bytes[0]));
    if ((mask >> lane() & 1) == 0) {
      throw Fault(place.text() + ": " + what + " by lane " + std::to_string(lane()) +
                  ", which is not in its own mask");
    }
    Collective& c = warps_[number() / kWarp][mask];
    // Two sides in turn: a lane may be at its next collective before the others have read.
    Slots& slots = c.sides[c.rounds % 2];
    std::memcpy(slots.bytes[lane()], &value, sizeof value);
    arrive(c, static_cast<size_t>(__builtin_popcount(mask)), place, what);
    return slots;
  }

 private:
  static constexpr size_t kSharedAlignment = 128;
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kFence = 0;  // the sanitizer knows the memory's exact end
#else
  static constexpr size_t kFence = 128;  // poison behind shared memory, looked at after the run
#endif
  static constexpr size_t kMain = ~size_t{0};  // the OS thread's own stack

  struct Waiting {
    std::vector<size_t> threads;
    Place place{"", 0};
    size_t rounds = 0;
  };
  struct Collective : Waiting {
    std::array<Slots, 2> sides{};
  };
  struct Fiber {
    Context context;
    Dim3 thread;
    std::vector<std::vector<AsyncCopy>> copies;  // groups of copies; the last is still open
  };

  static Block*& running() {
    static thread_local Block* block = nullptr;
    return block;
  }
  size_t number() const { return current_; }
  Context& context(size_t thread) { return thread == kMain ? main_ : fibers_[thread].context; }

  void enter(size_t thread) {
    Context& from = context(current_);
    entered_from_main_ = current_ == kMain;
    current_ = thread;
    switch_context(from, context(thread));
  }
  void next() {
    const auto queue =
        std::find_if(ready_.begin(), ready_.end(), [](const auto& q) { return !q.empty(); });
    if (queue == ready_.end()) return enter(kMain);
    const size_t thread = queue->front();
    queue->pop_front();
    if (thread != current_) enter(thread);
  }
  void make_ready(std::vector<size_t>& threads) {
    std::shuffle(threads.begin(), threads.end(), random_);
    for (const size_t thread : threads) {
      ready_[warp_order_[thread / kWarp]].push_back(thread);
    }
  }
  void release(Waiting& waiting) {
    make_ready(waiting.threads);
    waiting.threads.clear();
    ++waiting.rounds;
  }
  void arrive(Waiting& waiting, size_t expected, Place place, const char* what) {
    if (!waiting.threads.empty() && !(waiting.place == place)) {
      throw Fault(std::string(what) + ": threads wait at " + waiting.place.text() + " and at " +
                  place.text());
    }
    waiting.place = place;
    waiting.threads.push_back(current_);
    if (waiting.threads.size() == expected) release(waiting);
    next();
  }
  void finish() {
    --live_;
    if (failure_) return enter(kMain);
    // Threads that have returned do not count at a barrier.
    if (live_ > 0 && barrier_.threads.size() == live_) release(barrier_);
    next();
  }
  static void entry() {
    Block& block = current();
    entered_fiber(block.main_, block.entered_from_main_);
    try {
      (*block.body_)();
    } catch (...) {
      block.failure_ = std::current_exception();
    }
    block.finish();
    std::terminate();  // nobody enters a thread that has returned
  }
  void check_the_end() const;

  const Dim3 grid_, dim_;
  const Stacks stacks_;
  std::vector<Fiber> fibers_;
  const size_t shared_bytes_;
  unsigned char* const shared_;
  Dim3 index_;
  const std::function<void()>* body_ = nullptr;
  std::mt19937 random_;
  std::vector<std::map<unsigned, Collective>> warps_;  // by the collectives' mask
  Waiting barrier_;
  // Threads that can go on, in queues of which the first goes first, and the queue of each warp.
  std::vector<std::deque<size_t>> ready_;
  std::vector<size_t> warp_order_;
  size_t live_ = 0, current_ = kMain;
  bool entered_from_main_ = false;
  Context main_;
  std::exception_ptr failure_;
};

inline void Block::run(size_t index, unsigned seed, const std::function<void()>& body) {
  running() = this;
  index_ = grid_.at(index);
  body_ = &body;
  random_.seed(seed);
  std::memset(shared_, kPoison, shared_bytes_ + kFence);
  warps_.assign((fibers_.size() + kWarp - 1) / kWarp, {});
  barrier_ = {};
  failure_ = nullptr;
  const bool warps_first = seed % 2 == 1;
  ready_.assign(warps_first ? warps_.size() : 1, {});
  warp_order_.assign(warps_.size(), 0);
  if (warps_first) {
    std::iota(warp_order_.begin(), warp_order_.end(), size_t{0});
    std::shuffle(warp_order_.begin(), warp_order_.end(), random_);
  }
  std::vector<size_t> all(fibers_.size());
  for (size_t i = 0; i < fibers_.size(); ++i) {
    fibers_[i] = {stacks_.start(i, &entry), dim_.at(i), {{}}};
    all[i] = i;
  }
  make_ready(all);
  live_ = fibers_.size();
  current_ = kMain;
  next();  // back here when all threads have returned, or none can go on
  if (failure_) std::rethrow_exception(failure_);
  check_the_end();
}

inline void Block::check_the_end() const {
  if (live_ > 0) {
    std::string where;
    const auto add = [&](const Waiting& waiting) {
      if (!waiting.threads.empty()) where += " " + waiting.place.text();
    };
    add(barrier_);
    for (const auto& warp : warps_) {
      for (const auto& [mask, collective] : warp) add(collective);
    }
    throw Fault(std::to_string(live_) + " threads wait for others that never come, at" + where);
  }
  for (size_t i = shared_bytes_; i < shared_bytes_ + kFence; ++i) {
    if (shared_[i] != kPoison) {
      throw Fault("shared memory of " + std::to_string(shared_bytes_) + " bytes was written at " +
                  std::to_string(i));
    }
  }
}

}  // namespace cuda_host
