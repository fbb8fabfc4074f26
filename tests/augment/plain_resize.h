// Pillow's resize, plainly: what the operations are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace ipirm::augment {

// One line of `in` pixels resized to `out`.
inline std::vector<uint8_t> resized_line(const std::vector<uint8_t>& in, int out) {
  const int n = static_cast<int>(in.size());
  const double scale = static_cast<double>(n) / out, support = std::max(scale, 1.0);
  std::vector<uint8_t> result;
  for (int o = 0; o < out; ++o) {
    const double center = (o + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(n, static_cast<int>(center + support + 0.5));
    double total = 0;
    const auto weight = [&](int i) {
      return std::max(0.0, 1.0 - std::abs((i - center + 0.5) * (1.0 / support)));
    };
    for (int i = first; i < end; ++i) total += weight(i);
    int64_t sum = 1 << 21;
    for (int i = first; i < end; ++i)
      sum += static_cast<int64_t>(0.5 + weight(i) / total * (1 << 22)) * in[static_cast<size_t>(i)];
    result.push_back(static_cast<uint8_t>(sum >> 22));
  }
  return result;
}

// Rows of values; resized along the rows.
using Rows = std::vector<std::vector<uint8_t>>;

inline Rows transposed(const Rows& rows) {
  Rows result(rows[0].size(), std::vector<uint8_t>(rows.size()));
  for (size_t y = 0; y < rows.size(); ++y) {
    for (size_t x = 0; x < rows[y].size(); ++x) result[x][y] = rows[y][x];
  }
  return result;
}

inline Rows resized_rows(Rows rows, int out) {
  for (auto& row : rows) row = resized_line(row, out);
  return rows;
}

}  // namespace ipirm::augment
