// The sweeps over all pairs of views, run on the CPU by the host header, beside the plain
// definition in float64.
#include "ops/cuda/pair_sweeps.cu"

#include <gtest/gtest.h>

#include <string>

#include "cuda_host/plain_pairs.h"

namespace ipirm::ops::cuda {
namespace {

using Columns = std::vector<std::vector<double>>;  // (K) of (2n) views

struct Case {
  int64_t n, dim, k;
  double temperature, norm = 1;
  size_t most_parts_bytes = kPartsBytes;
};

// What an exponential may be off by, relatively: a logit by 3 of 10 million parts of the largest
// possible one; and what summing in float32 adds.
double tolerance(const Case& c) { return 3e-6 + 3e-7 * c.norm * c.norm / c.temperature; }

// A batch's views in the kernels' memory, which starts as NaN.
class Device {
 public:
  Device(const Batch& batch, const Case& c, Receivers receivers)
      : batch_(batch),
        layout_(pair_layout(batch.n, batch.dim)),
        columns_(column_groups(c.k)),
        temperature_(c.temperature),
        receivers_(receivers),
        most_parts_bytes_(c.most_parts_bytes),
        operands_(size_t(layout_.padded() * layout_.chunks * kChunkVectors)),
        own_(size_t(layout_.view_stride()), NAN),
        block_bound_(size_t(sample_blocks(layout_)), NAN),
        largest_(size_t(layout_.padded()), NAN),
        parts_(parts_bytes(layout_, columns_, receivers, most_parts_bytes_) / sizeof(float), NAN) {
    const Features features{batch.z1.data(), batch.z2.data(), nullptr, nullptr, batch.n, batch.dim};
    EXPECT_EQ(
        launch_measures(layout_, features, {own_.data(), nullptr, block_bound_.data()}, nullptr),
        0);
    bound_ = *std::max_element(block_bound_.begin(), block_bound_.end());
    EXPECT_EQ(launch_split(layout_, features, &bound_, operands_.data(), nullptr), 0);
    const auto rows = receivers == Receivers::kAll ? Receivers::kAll : Receivers::kRows;
    EXPECT_EQ(launch_largest(views(), rows, temperature_, largest_.data()), 0);
  }

  PairViews views() {
    return {layout_, columns_,          operands_.data(), largest_.data(),
            &bound_, most_parts_bytes_, parts_.data(),    nullptr};
  }
  bool relative() const { return !exponents_are_safe(bound_, 1 / temperature_); }
  // What exponents are relative to at view i.
  double shift(int64_t i) const {
    return relative() ? largest_[size_t(place(i))] / temperature_ : 0.;
  }

  // Columns of 2n views in the padded layout, and zeros elsewhere.
  std::vector<float> padded(const Columns& x) const {
    std::vector<float> out(size_t(columns_.count() * layout_.padded()));
    for (size_t k = 0; k < x.size(); ++k) {
      for (int64_t i = 0; i < 2 * batch_.n; ++i) {
        out[k * size_t(layout_.padded()) + size_t(place(i))] = float(x[k][size_t(i)]);
      }
    }
    return out;
  }

  struct Sums {
    std::vector<double> sum, earlier;  // (K * 2n); receivers alone
  };
  Sums sweep(Matrix matrix, bool by_receiver, const Columns& to_later, const Columns& to_earlier,
             bool split) {
    const auto later = padded(to_later), earlier = padded(to_earlier);
    std::vector<double> sum(later.size(), NAN), of_earlier(later.size(), NAN);
    const bool alike = &to_later == &to_earlier;
    EXPECT_EQ(launch_sweep(views(), {receivers_,
                                     matrix,
                                     by_receiver,
                                     temperature_,
                                     later.data(),
                                     alike ? later.data() : earlier.data(),
                                     {sum.data(), split ? of_earlier.data() : nullptr}}),
              0);
    return {of_receivers(sum, to_later.size()),
            split ? of_receivers(of_earlier, to_later.size()) : std::vector<double>()};
  }

 private:
  int64_t place(int64_t i) const { return i < batch_.n ? i : layout_.view_stride() + i - batch_.n; }
  std::vector<double> of_receivers(const std::vector<double>& padded, size_t k) const {
    std::vector<double> out;
    const int64_t begin = receivers_ == Receivers::kColumns ? batch_.n : 0;
    const int64_t end = receivers_ == Receivers::kRows ? batch_.n : 2 * batch_.n;
    for (size_t e = 0; e < k; ++e) {
      for (int64_t i = begin; i < end; ++i) {
        out.push_back(padded[e * size_t(layout_.padded()) + size_t(place(i))]);
      }
    }
    return out;
  }

  const Batch& batch_;
  PairLayout layout_;
  ColumnGroups columns_;
  double temperature_;
  Receivers receivers_;
  size_t most_parts_bytes_;
  std::vector<uint4> operands_;
  std::vector<double> own_, block_bound_;
  std::vector<float> largest_, parts_;
  double bound_ = 0;
};

// The same sums by their definition.
Device::Sums plain(const Batch& batch, const Device& device, double temperature,
                   Receivers receivers, Matrix matrix, bool by_receiver, const Columns& to_later,
                   const Columns& to_earlier, bool split) {
  const int64_t n = batch.n;
  const int64_t first = receivers == Receivers::kColumns ? n : 0;
  const int64_t end = receivers == Receivers::kRows ? n : 2 * n;
  const auto size = size_t(end - first) * to_later.size();
  Device::Sums sums{std::vector<double>(size), std::vector<double>(split ? size : 0)};
  for (int64_t i = first; i < end; ++i) {
    for (int64_t j = 0; j < 2 * n; ++j) {
      const bool crosses = (i < n) != (j < n);
      if (i % n == j % n || (receivers != Receivers::kAll && !crosses)) continue;
      const double s = batch.similarity(i, j);
      double e = std::exp(s / temperature - device.shift(by_receiver ? i : j));
      if (matrix == Matrix::kH) e *= s;
      for (size_t k = 0; k < to_later.size(); ++k) {
        const auto& in = i % n > j % n ? to_later : to_earlier;
        auto& out = split && j % n < i % n ? sums.earlier : sums.sum;
        out[k * size_t(end - first) + size_t(i - first)] += e * in[k][size_t(j)];
      }
    }
  }
  return sums;
}

Columns random_columns(int64_t k, int64_t views, unsigned seed) {
  std::mt19937 random(seed);
  Columns columns(static_cast<size_t>(k));
  for (auto& column : columns) {
    for (int64_t i = 0; i < views; ++i) column.push_back(float(random() % 1000) / 1000 + .001f);
  }
  return columns;
}

// What a sweep is asked for.
struct Asked {
  Receivers receivers;
  Matrix matrix;
  bool by_receiver, by_position, split;
};
constexpr Asked kRowSums{Receivers::kAll, Matrix::kE, true, false, false};
constexpr Asked kPositionSums{Receivers::kAll, Matrix::kH, false, false, true};
constexpr Asked kRowSumsByPosition{Receivers::kAll, Matrix::kH, true, true, false};
constexpr Asked kTransposedSums{Receivers::kAll, Matrix::kE, false, false, false};
constexpr Asked kMixedRows{Receivers::kRows, Matrix::kE, true, false, false};
constexpr Asked kMixedRowsH{Receivers::kRows, Matrix::kH, true, false, false};
constexpr Asked kMixedColumns{Receivers::kColumns, Matrix::kE, false, false, false};
constexpr Asked kMixedColumnsH{Receivers::kColumns, Matrix::kH, false, false, false};

void expect_sums(const Case& c, const Asked& asked) {
  SCOPED_TRACE("n " + std::to_string(c.n) + " d " + std::to_string(c.dim) + " K " +
               std::to_string(c.k) + " T " + std::to_string(c.temperature) + " norm " +
               std::to_string(c.norm));
  const Batch batch(c.n, c.dim, c.norm);
  Device device(batch, c, asked.receivers);
  const auto later = random_columns(c.k, 2 * c.n, 5), other = random_columns(c.k, 2 * c.n, 6);
  const auto& earlier = asked.by_position ? other : later;
  const auto found = device.sweep(asked.matrix, asked.by_receiver, later, earlier, asked.split);
  const auto expected = plain(batch, device, c.temperature, asked.receivers, asked.matrix,
                              asked.by_receiver, later, earlier, asked.split);
  EXPECT_LT(relative_error(found.sum, expected.sum), tolerance(c));
  EXPECT_LT(relative_error(found.earlier, expected.earlier), tolerance(c));
}

// Blocks that are full and not, features that fill their chunks and do not, groups of environments,
// exponents that are safe and that are not.
const std::vector<Case> kCases = {
    {130, 40, 3, .2},     {70, 32, 2, .5},      {3, 5, 1, .5},     {200, 40, 4, .07},
    {60, 128, 5, .2},     {40, 20, 8, .5},      {150, 33, 2, .01}, {100, 64, 2, .5, 10.},
    {140, 8, 3, .01, 3.}, {90, 16, 2, .2, .05},
};

class PairSweeps : public ::testing::TestWithParam<Asked> {};
INSTANTIATE_TEST_SUITE_P(Products, PairSweeps,
                         ::testing::Values(kRowSums, kPositionSums, kRowSumsByPosition,
                                           kTransposedSums, kMixedRows, kMixedRowsH, kMixedColumns,
                                           kMixedColumnsH));

TEST_P(PairSweeps, AreThoseOfTheDefinition) {
  for (const Case& c : cases_to_run(kCases)) expect_sums(c, GetParam());
}

// One row of tiles at a time, and two of six.
TEST_P(PairSweeps, StripsJoinUp) {
  for (const size_t most_bytes : {1, 15000}) {
    expect_sums({260, 12, 1, .01, 1, most_bytes}, GetParam());
  }
}

// The order of a block's threads changes no bit.
TEST_P(PairSweeps, DoNotDependOnTheOrderOfThreads) {
  const Case c{140, 12, 3, .02};
  const Batch batch(c.n, c.dim);
  const auto x = random_columns(c.k, 2 * c.n, 5), other = random_columns(c.k, 2 * c.n, 6);
  std::vector<double> sum, earlier;
  for (const unsigned seed : cases_to_run<unsigned>({0, 1, 2})) {
    cuda_host::set_seed(seed);
    Device device(batch, c, GetParam().receivers);
    const auto found = device.sweep(GetParam().matrix, GetParam().by_receiver, x,
                                    GetParam().by_position ? other : x, GetParam().split);
    if (seed == 0) {
      sum = found.sum;
      earlier = found.earlier;
    }
    EXPECT_EQ(found.sum, sum);
    EXPECT_EQ(found.earlier, earlier);
  }
  cuda_host::set_seed(0);
}

}  // namespace
}  // namespace ipirm::ops::cuda
