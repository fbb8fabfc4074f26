// Runs a piece of a test in several processes of this machine, joined by Gloo.
#pragma once

#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <torch/types.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <iostream>
#include <vector>

#include "ipirm/dist/connect.h"

namespace ipirm::ranks {

// A port that nobody listens on now.
inline int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

inline dist::Launch launch_of(int rank, int size, int port) {
  return {.rank = rank, .size = size, .local_rank = rank, .host = "127.0.0.1", .port = port};
}

// Calls body(group) in `size` processes that are copies of this one; the test fails where an
// expectation fails in one of them, or where one throws. What they change in memory is lost. To be
// called before the test has used PyTorch's threads.
inline void run(int size, const std::function<void(dist::Group&)>& body,
                std::chrono::seconds timeout = std::chrono::seconds(60)) {
  const int port = free_port();
  std::cout.flush();
  std::fflush(nullptr);
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    int code = 0;
    try {
      at::set_num_threads(1);
      const auto group = dist::connect(launch_of(rank, size, port), torch::kCPU, timeout);
      body(*group);
      group->barrier();
      code = ::testing::Test::HasFailure() ? 1 : 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
      code = 2;
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  for (int rank = 0; rank < size; ++rank) {
    int status = 0;
    ::waitpid(children[static_cast<size_t>(rank)], &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "rank " << rank << " of " << size << ": status " << status;
  }
}

}  // namespace ipirm::ranks
