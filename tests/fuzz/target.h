// What every fuzz target is made of: its name, its function, files in memory, what may be thrown.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "ipirm/core/error.h"

namespace ipirm::fuzz {

using Input = std::span<const uint8_t>;

struct Target {
  const char* name;  // corpus/NAME holds its seeds
  void (*run)(Input);
};

// The targets that this program was linked with: one under libFuzzer, all of them in the replay.
inline std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

inline bool add_target(const char* name, void (*run)(Input)) {
  targets().push_back({name, run});
  return true;
}

// Ends the process as a crash, which a fuzzer keeps with its input.
[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "finding: %s\n", what.c_str());
  std::abort();
}

inline void require(bool holds, const char* what) {
  if (!holds) fail(what);
}

// Runs a reader, which may refuse its input by a UserError and in no other way. True if it did not.
template <class Action>
bool reads_or_refuses(Action action) {
  try {
    action();
    return true;
  } catch (const core::UserError& error) {
    require(error.what()[0] != '\0', "a refusal without words");
    return false;
  } catch (const std::exception& error) {
    fail(std::string("threw what is no UserError: ") + error.what());
  }
}

// A file that lies in memory and is reached by a path.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(descriptor_ >= 0, "no memory file can be made");
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }
  void set(Input bytes) {
    require(::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, bytes.data(), bytes.size(),
                                                         0) == static_cast<ssize_t>(bytes.size()),
            "the memory file cannot be written");
  }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace ipirm::fuzz

// Under libFuzzer each program holds one target, and its own main.
#ifdef IPIRM_LIBFUZZER
#define IPIRM_FUZZ_ENTRY(run)                                               \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    run({data, size});                                                      \
    return 0;                                                               \
  }
#else
#define IPIRM_FUZZ_ENTRY(run)
#endif

// At the end of NAME_fuzz.cpp, outside of all namespaces: makes `run` the target NAME.
#define IPIRM_FUZZ_TARGET(name, run)                                                        \
  [[maybe_unused]] static const bool g_added_##name = ipirm::fuzz::add_target(#name, &run); \
  IPIRM_FUZZ_ENTRY(run)
