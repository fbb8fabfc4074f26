// One piece of scratch memory, dealt out in order.
#pragma once

#include <cstddef>

namespace ipirm::ops::cuda {

// With null memory it only counts, so that one function both sizes and deals.
class Scratch {
 public:
  explicit Scratch(void* memory) : memory_(static_cast<unsigned char*>(memory)) {}

  template <class T>
  T* take(size_t count) {
    unsigned char* const at = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<T*>(at);
  }
  // How much has been dealt out.
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlignment = 256;
  unsigned char* memory_;
  size_t bytes_ = 0;
};

// The first error of several launches.
class FirstError {
 public:
  void operator=(int error) {
    if (value_ == 0) value_ = error;
  }
  int value() const { return value_; }

 private:
  int value_ = 0;
};

}  // namespace ipirm::ops::cuda
