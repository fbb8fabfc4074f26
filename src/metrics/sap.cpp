// Newton's method for two unknowns: the loss is quadratic wherever the same samples are inside the
// margin, so that it ends after a few steps.
#include "ipirm/metrics/sap.h"

#include <algorithm>
#include <cmath>

#include "ipirm/core/interrupt.h"

namespace ipirm::metrics {
namespace {

constexpr double kC = 0.01;
constexpr int kMostSteps = 100;
constexpr double kEnough = 1e-14;  // of the gradient's length beside the first one's

// The loss of a line, its gradient and its second derivatives.
struct Loss {
  double value = 0, dw = 0, db = 0, dww = 1, dwb = 0, dbb = 1;
};

// side: of each sample, whether it is inside; cost: of a sample outside, and inside.
Loss loss_of(const Line& line, const std::vector<double>& code, const std::vector<uint8_t>& side,
             const double (&cost)[2]) {
  Loss loss{.value = (line.weight * line.weight + line.bias * line.bias) / 2,
            .dw = line.weight,
            .db = line.bias};
  for (size_t i = 0; i < code.size(); ++i) {
    const double sign = side[i] ? 1 : -1;
    const double missing = 1 - sign * (line.weight * code[i] + line.bias);
    if (missing <= 0) continue;
    const double c = cost[side[i]];
    loss.value += c * missing * missing;
    loss.dw -= 2 * c * missing * sign * code[i];
    loss.db -= 2 * c * missing * sign;
    loss.dww += 2 * c * code[i] * code[i];
    loss.dwb += 2 * c * code[i];
    loss.dbb += 2 * c;
  }
  return loss;
}

double slope_of(const Loss& loss) { return std::sqrt(loss.dw * loss.dw + loss.db * loss.db); }

Line find_line(const std::vector<double>& code, const std::vector<uint8_t>& side,
               const double (&cost)[2]) {
  Line line;
  auto loss = loss_of(line, code, side, cost);
  const double first = slope_of(loss);
  for (int step = 0; step < kMostSteps && slope_of(loss) > kEnough * first; ++step) {
    const double determinant = loss.dww * loss.dbb - loss.dwb * loss.dwb;
    const Line move{(loss.dwb * loss.db - loss.dbb * loss.dw) / determinant,
                    (loss.dwb * loss.dw - loss.dww * loss.db) / determinant};
    double share = 1;  // halved until the loss falls
    Line next;
    Loss there;
    do {
      next = {line.weight + share * move.weight, line.bias + share * move.bias};
      there = loss_of(next, code, side, cost);
      share /= 2;
    } while (there.value >= loss.value && share > 1e-10);
    if (there.value >= loss.value) break;  // as low as rounding allows
    line = next;
    loss = there;
  }
  return line;
}

// The class that a code's number stands for, by its place.
int64_t place_of(double number, const std::vector<Line>& lines) {
  const auto height = [&](const Line& line) { return line.weight * number + line.bias; };
  if (lines.size() == 1) return height(lines[0]) > 0;
  const auto best = std::max_element(lines.begin(), lines.end(), [&](const Line& a, const Line& b) {
    return height(a) < height(b);
  });
  return best - lines.begin();
}

}  // namespace

std::vector<Line> separate(const std::vector<double>& code, const Classes& classes) {
  const auto n = static_cast<double>(code.size()), K = static_cast<double>(classes.count());
  const auto balanced = [&](int64_t k) {
    return kC * n / (K * static_cast<double>(classes.sizes[static_cast<size_t>(k)]));
  };
  std::vector<Line> lines;
  for (int64_t k = classes.count() == 2 ? 1 : 0; k < classes.count(); ++k) {
    std::vector<uint8_t> side(code.size());
    for (size_t i = 0; i < code.size(); ++i) side[i] = classes.of_sample[i] == k;
    const double cost[2] = {classes.count() == 2 ? balanced(0) : kC, balanced(k)};
    lines.push_back(find_line(code, side, cost));
  }
  return lines;
}

Matrix attribute_predictability(const Sample& train, const Sample& test, const Workers& workers) {
  Matrix accuracy(train.codes.columns, static_cast<int64_t>(train.factors.size()));
  std::vector<Classes> classes;
  for (const auto& values : train.factors) classes.emplace_back(values);
  workers.each(
      accuracy.rows * accuracy.columns,
      [&](int64_t piece, int) {
        if (core::interrupted()) return;
        const int64_t d = piece / accuracy.columns, f = piece % accuracy.columns;
        const auto& of_factor = classes[static_cast<size_t>(f)];
        const auto lines = separate(train.codes.column(d), of_factor);
        Values found;
        for (const double number : test.codes.column(d))
          found.push_back(of_factor.names[static_cast<size_t>(place_of(number, lines))]);
        accuracy(d, f) = agreement(found, test.factors[static_cast<size_t>(f)]);
      },
      100 * train.codes.rows);
  return accuracy;
}

double predictability_gap(const Matrix& accuracy) {
  double sum = 0;
  for (int64_t f = 0; f < accuracy.columns; ++f) {
    auto of_codes = accuracy.column(f);
    std::nth_element(of_codes.begin(), of_codes.begin() + 1, of_codes.end(), std::greater<>());
    sum += of_codes[0] - of_codes[1];
  }
  return sum / static_cast<double>(accuracy.columns);
}

}  // namespace ipirm::metrics
