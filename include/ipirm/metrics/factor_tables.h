// Known factors of samples that are rows of feature files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ipirm/metrics/sample.h"

namespace ipirm::metrics {

// The factors of some samples: `values[f]` of the factor `names[f]`.
struct FactorTables {
  std::vector<std::string> names;
  std::vector<Values> train, test;
};

// A table of training samples and one of test samples (core/csv.h), a row for each of `num_train`
// and `num_test` in their order. `wanted`: the columns that are factors; none: all of the training
// table but "index" and "path". Both tables have them; equal texts get equal numbers, in ascending
// order: by number where all are whole numbers of 64 bits (7 and 07 are one value), otherwise by
// their bytes. Throws UserError naming file and line for a number of rows that is not expected, a
// column that is missing, a value that is empty, and a factor of more than 1,000 values; and for a
// name that is wanted twice.
FactorTables read_factor_tables(const std::filesystem::path& train, int64_t num_train,
                                const std::filesystem::path& test, int64_t num_test,
                                const std::vector<std::string>& wanted);

}  // namespace ipirm::metrics
