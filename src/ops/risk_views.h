// How the row mathematics of risk_math.h is done for all views and environments: in loops over
// plain numbers, or with tensors of all of them.
//
// Each way has
//   map(shape, function, inputs...)  function of the inputs' numbers, where shape is (K, V, L) and
//                                    each input is of that shape, with size 1 where its numbers are
//                                    alike; function returns an array of numbers, map one of
//                                    tensors of `shape`
//   sum(x)                           (K, V, L) -> (K, 1, 1)
// Both are in float64.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "ops/risk_math.h"
#include "ops/share_out.h"

namespace ipirm::ops {

template <>
struct Arithmetic<at::Tensor> {
  static at::Tensor exp(const at::Tensor& x) { return at::exp(x); }
  static at::Tensor log(const at::Tensor& x) { return at::log(x); }
  static at::Tensor at_least(const at::Tensor& x, double least) { return at::clamp_min(x, least); }
  template <class Otherwise>
  static at::Tensor select(const at::Tensor& condition, const at::Tensor& then,
                           const Otherwise& otherwise) {
    return at::where(condition, then, otherwise);
  }
};

// Tensors of all views, by ATen: on any device, without host synchronisation.
struct WholeTensors {
  template <class Function, class... Inputs>
  static auto map(at::IntArrayRef, const Function& function, const Inputs&... inputs) {
    return function(inputs...);
  }
  static at::Tensor sum(const at::Tensor& x) { return x.sum({1, 2}, /*keepdim=*/true); }
};

// One view after the other, on the CPU: a few passes over memory where ATen would make dozens, and
// sums in one order, so that bits do not depend on the number of threads.
struct Loops {
  template <class Function, class... Inputs>
  static auto map(at::IntArrayRef shape, const Function& function, const Inputs&... inputs) {
    return map(shape, function, std::array{Strided(inputs)...},
               std::make_index_sequence<sizeof...(Inputs)>());
  }

  static at::Tensor sum(const at::Tensor& x) {
    const auto contiguous = x.contiguous();
    auto out = at::empty({x.size(0), 1, 1}, at::kDouble);
    const double* value = contiguous.const_data_ptr<double>();
    double* sums = out.mutable_data_ptr<double>();
    for (int64_t e = 0; e < x.size(0); ++e) {
      double sum_e = 0;
      for (int64_t i = 0; i < x.size(1) * x.size(2); ++i) sum_e += *value++;
      sums[e] = sum_e;
    }
    return out;
  }

 private:
  // Views that a thread takes at once.
  static constexpr int64_t kGrain = 512;

  struct Strided {
    explicit Strided(const at::Tensor& input) : data(input.const_data_ptr<double>()) {
      for (int64_t dim = 0; dim < 3; ++dim) {
        strides[dim] = input.size(dim) == 1 ? 0 : input.stride(dim);
      }
    }
    double value(int64_t e, int64_t view, int64_t i) const {
      return data[e * strides[0] + view * strides[1] + i * strides[2]];
    }
    const double* data;
    int64_t strides[3];
  };

  template <class Function, size_t count, size_t... index>
  static auto map(at::IntArrayRef shape, const Function& function,
                  const std::array<Strided, count>& inputs, std::index_sequence<index...>) {
    using Outputs = decltype(function(inputs[index].value(0, 0, 0)...));
    constexpr size_t num_outputs = std::tuple_size_v<Outputs>;
    std::array<at::Tensor, num_outputs> outputs;
    std::array<double*, num_outputs> to;
    for (size_t o = 0; o < num_outputs; ++o) {
      outputs[o] = at::empty(shape, at::kDouble);
      to[o] = outputs[o].template mutable_data_ptr<double>();
    }
    const int64_t views = shape[1], length = shape[2];
    share_out_range(shape[0] * views * length, kGrain, [&](int64_t begin, int64_t end) {
      int64_t e = begin / length / views, view = begin / length % views, i = begin % length;
      for (int64_t place = begin; place < end; ++place) {
        const Outputs values = function(inputs[index].value(e, view, i)...);
        for (size_t o = 0; o < num_outputs; ++o) to[o][place] = values[o];
        if (++i < length) continue;
        i = 0;
        if (++view < views) continue;
        view = 0;
        ++e;
      }
    });
    return outputs;
  }
};

}  // namespace ipirm::ops
