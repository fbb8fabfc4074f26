// Counting of waits and launches, and the scope in which the device itself is at work.
#pragma once

#include <string>

namespace ipirm::fake_device {

// Neither counts anything inside of a Working scope.
void count_wait(const std::string& what);
void count_launch(const std::string& what);

// While it lives, this thread computes for the device: its own copies are no waits.
class Working {
 public:
  Working();
  ~Working();
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;
  static bool on();
};

}  // namespace ipirm::fake_device
