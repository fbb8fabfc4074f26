// Reads feature files and says which row of which file is wrong.
#include "app/features.h"

#include <ATen/Dispatch.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cmath>

#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using core::UserError;

constexpr double kLengthTolerance = 1e-2;  // features normalised in bfloat16 are within .5 %

// As numpy writes it: "(48, 2)", "(48,)".
std::string shape_text(const torch::Tensor& array) {
  std::string text = "(";
  for (int64_t d = 0; d < array.dim(); ++d) text += cat(d == 0 ? "" : ", ", array.size(d));
  return text + (array.dim() == 1 ? ",)" : ")");
}

std::string dtype_text(const torch::Tensor& array) {
  return c10::getDtypeNames(array.scalar_type()).first;
}

void require_floats(const fs::path& path, const torch::Tensor& array) {
  const auto dtype = array.scalar_type();
  if (dtype == torch::kFloat32 || dtype == torch::kFloat64) return;
  throw UserError(cat(path.string(), ": holds ", dtype_text(array),
                      ", expected float32 or float64; save array.astype(np.float32)"));
}

torch::Tensor read_view(const fs::path& path) {
  const auto z = checkpoint::read_npy(path);
  require_floats(path, z);
  if (z.dim() != 2 || z.size(1) < 1) {
    throw UserError(cat(path.string(), ": holds an array of shape ", shape_text(z),
                        ", expected (N, d): save a row for each sample, a column for each "
                        "dimension of the features"));
  }
  if (z.size(0) < 2) {
    throw UserError(cat(path.string(), ": holds ", z.size(0),
                        " sample(s), expected at least 2, since a sample needs negatives; save "
                        "the features of the whole set"));
  }
  return z;
}

void require_alike(const fs::path& path1, const torch::Tensor& z1, const fs::path& path2,
                   const torch::Tensor& z2) {
  if (z1.sizes() != z2.sizes()) {
    throw UserError(cat(path2.string(), ": holds an array of shape ", shape_text(z2), ", expected ",
                        shape_text(z1), " as in ", path1.string(),
                        "; save two views of the same samples by the same model"));
  }
  if (z1.scalar_type() != z2.scalar_type()) {
    throw UserError(cat(path2.string(), ": holds ", dtype_text(z2), ", expected ", dtype_text(z1),
                        " as in ", path1.string(), "; save both in one type, by array.astype"));
  }
}

[[noreturn]] void refuse_value(const fs::path& path, int64_t row, int64_t column, double value) {
  throw UserError(cat(path.string(), ": row ", row, ", column ", column, " (from 0) is ",
                      std::isnan(value) ? "NaN" : "infinite",
                      ", expected finite numbers; mend the model's output, or leave this sample "
                      "out of all files"));
}

// Throws for the first value that is not finite; gives the length of each row to
// visit(row, length), which is exactly 0 only for zeros.
template <class Visit>
void visit_rows(const fs::path& path, const torch::Tensor& z, const Visit& visit) {
  AT_DISPATCH_FLOATING_TYPES(z.scalar_type(), "visit_rows", [&] {
    const scalar_t* value = z.const_data_ptr<scalar_t>();
    for (int64_t row = 0; row < z.size(0); ++row) {
      double sum = 0, largest = 0;
      for (int64_t column = 0; column < z.size(1); ++column, ++value) {
        const double v = *value;
        if (!std::isfinite(v)) refuse_value(path, row, column, v);
        sum += v * v;
        largest = std::max(largest, std::abs(v));
      }
      visit(row, sum > 0 ? std::sqrt(sum) : largest);  // tiny squares vanish
    }
  });
}

// Refuses rows of zeros; says in `warning`, unless it says something already, which row is not of
// length 1.
void check_rows(const fs::path& path, const torch::Tensor& z, std::string& warning) {
  visit_rows(path, z, [&](int64_t row, double length) {
    if (length == 0) {
      throw UserError(cat(path.string(), ": row ", row,
                          " (from 0) is all zeros, expected features with a direction; mend the "
                          "model's output, or leave this sample out of all files"));
    }
    if (!warning.empty() || std::abs(length - 1) <= kLengthTolerance) return;
    warning = cat(path.string(), ": row ", row, " (from 0) has length ", length,
                  ", where 1 is usual; features are used as given: divide each row by its length "
                  "if that is not meant");
  });
}

}  // namespace

Features read_features(const fs::path& view1, const fs::path& view2) {
  Features features{read_view(view1), read_view(view2), ""};
  require_alike(view1, features.z1, view2, features.z2);
  check_rows(view1, features.z1, features.warning);
  check_rows(view2, features.z2, features.warning);
  return features;
}

torch::Tensor read_codes(const fs::path& path) {
  const auto codes = checkpoint::read_npy(path);
  require_floats(path, codes);
  if (codes.dim() != 2 || codes.size(0) < 1 || codes.size(1) < 1) {
    throw UserError(cat(path.string(), ": holds an array of shape ", shape_text(codes),
                        ", expected (N, D): a row for each sample, a column for each code"));
  }
  visit_rows(path, codes, [](int64_t, double) {});
  return codes;
}

torch::Tensor read_logits(const fs::path& path, int64_t num_samples, int64_t num_env,
                          torch::ScalarType dtype) {
  const auto logits = checkpoint::read_npy(path);
  require_floats(path, logits);
  if (logits.dim() != 2 || logits.size(0) != num_samples || logits.size(1) != num_env) {
    throw UserError(cat(path.string(), ": holds an array of shape ", shape_text(logits),
                        ", expected (", num_samples, ", ", num_env,
                        "): a row for each sample, a column for each of --env_num environments"));
  }
  auto converted = logits.to(dtype);
  visit_rows(path, converted, [](int64_t, double) {});
  return converted;
}

}  // namespace ipirm::app
