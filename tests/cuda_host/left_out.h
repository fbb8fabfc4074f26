// Takes each barrier and each wait for copies out of kernels, one after the other, and expects that
// the host run notices: by other bits, a fault that it reports, or a crash.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "cuda_host/cuda_host.h"

namespace cuda_host {

// How many barriers and waits for copies these files of src/ops/cuda have.
inline size_t sites_in_sources(const std::vector<std::string>& names) {
  size_t count = 0;
  for (const auto& name : names) {
    std::ifstream file("src/ops/cuda/" + name);
    EXPECT_TRUE(file.good()) << name;
    for (std::string line; std::getline(file, line);) {
      if (line.find("__syncthreads()") != std::string::npos ||
          line.find("cp_async_wait<") != std::string::npos) {
        ++count;
      }
    }
  }
  return count;
}

// Whether `fails` returns true, throws, crashes or takes longer than a minute, in a process of its
// own: a kernel without a barrier may take poison for an index.
template <class Fails>
bool fails_in_a_child(const Fails& fails) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    try {
      _exit(fails() ? 1 : 0);
    } catch (...) {
      _exit(1);
    }
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return !WIFEXITED(status) || WEXITSTATUS(status) == 1;
}

// run(i), for i below num_cases, runs kernels and returns what they computed. Between them they
// pass all sites of the sources.
template <class Run>
void expect_every_site_is_needed(const std::vector<std::string>& sources, size_t num_cases,
                                 const Run& run) {
  auto& sites = SyncSites::of_process();
  std::vector<decltype(run(size_t{0}))> expected;
  set_seed(0);
  sites.watch();
  for (size_t i = 0; i < num_cases; ++i) expected.push_back(run(i));
  const auto all = sites.stop();
  EXPECT_EQ(all.size(), sites_in_sources(sources));
  const auto shows = [&](const std::string& site) {
    for (unsigned seed = 0; seed < 4; ++seed) {
      set_seed(seed);
      for (size_t i = 0; i < num_cases; ++i) {
        sites.watch(site);
        if (!(run(i) == expected[i])) return true;
      }
    }
    return false;
  };
  for (const auto& site : all) {
    EXPECT_TRUE(fails_in_a_child([&] { return shows(site); })) << site;
  }
}

}  // namespace cuda_host
