// The gradient of a partition risk's definition by complex steps: f(w + i h) has h f'(w) as its
// imaginary part, whose rounding does not grow as h falls.
#pragma once

#include <complex>
#include <vector>

namespace ipirm::ops {

// d value(w)/dw, (n). value: of complex weights.
template <class Value>
std::vector<double> complex_step_gradient(const std::vector<double>& w, const Value& value) {
  constexpr double kStep = 1e-100;
  std::vector<std::complex<double>> moved(w.begin(), w.end());
  std::vector<double> gradient;
  for (auto& x : moved) {
    const auto before = x;
    x += std::complex<double>(0, kStep);
    gradient.push_back(value(moved).imag() / kStep);
    x = before;
  }
  return gradient;
}

}  // namespace ipirm::ops
