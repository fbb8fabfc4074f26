// Threads of a CUDA block as fibers: each has a stack of its own, and one OS thread runs them in
// turn. x86-64 Linux alone.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>

#if !defined(__x86_64__)
#error "tests/cuda_host switches stacks with x86-64 instructions"
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_host {

// Saves the registers that a call preserves on the stack in use, leaves its top in *save, and goes
// on with the stack whose top is `to`.
extern "C" void cuda_host_switch(void** save, void* to);
asm(R"(.text
.weak cuda_host_switch
.type cuda_host_switch, @function
cuda_host_switch:
 push %rbp
 push %rbx
 push %r12
 push %r13
 push %r14
 push %r15
 mov %rsp,(%rdi)
 mov %rsi,%rsp
 pop %r15
 pop %r14
 pop %r13
 pop %r12
 pop %rbx
 pop %rbp
 ret
)");

// Where a fiber, or the OS thread's own stack, goes on.
struct Context {
  void* top = nullptr;           // the stack pointer while it does not run
  const void* bottom = nullptr;  // the lowest address of the stack
  size_t size = 0;
  void* sanitizer = nullptr;  // what the address sanitizer keeps of it
};

// Goes from `from`, which runs, to `to`; returns when somebody switches back.
inline void switch_context(Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.sanitizer, to.bottom, to.size);
#endif
  cuda_host_switch(&from.top, to.top);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.sanitizer, nullptr, nullptr);
#endif
}

// The first call of every fiber. `caller`: the context of the OS thread, whose bounds the sanitizer
// tells here, and nobody else knows.
inline void entered_fiber([[maybe_unused]] Context& caller, [[maybe_unused]] bool from_caller) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (from_caller) {
    caller.bottom = bottom;
    caller.size = size;
  }
#endif
}

// Stacks for `count` fibers. Under each lies a page that nobody may touch, so that a stack that
// overflows is a fault and not a wrong result.
class Stacks {
 public:
  explicit Stacks(size_t count) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), count_(count) {
    void* memory = mmap(nullptr, count_ * stride(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(memory);
    for (size_t i = 0; i < count_; ++i) mprotect(memory_ + i * stride(), page_, PROT_NONE);
  }
  ~Stacks() {
    forget_red_zones(memory_, count_ * stride());
    munmap(memory_, count_ * stride());
  }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  // A context that begins with a call of `entry`, which must not return.
  Context start(size_t i, void (*entry)()) const {
    char* const bottom = memory_ + i * stride() + page_;
    forget_red_zones(bottom + kSize - page_, page_);
    auto** top = reinterpret_cast<void**>(bottom + kSize);  // pages are aligned far beyond 16
    *--top = nullptr;
    *--top = nullptr;  // where entry's return address would be: 8 below a multiple of 16
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
    return {top, bottom, kSize, nullptr};
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kSize = 256 << 10;  // its frames hold red zones
#else
  static constexpr size_t kSize = 64 << 10;
#endif
  size_t stride() const { return kSize + page_; }
  // Frames that never return, those of a fiber's first calls, leave red zones behind.
  static void forget_red_zones([[maybe_unused]] const char* from, [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(from, size);
#endif
  }

  const size_t page_, count_;
  char* memory_ = nullptr;
};

}  // namespace cuda_host
