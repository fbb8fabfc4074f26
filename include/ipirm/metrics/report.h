// All metrics of a representation whose factors are known.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ipirm/core/named_value.h"
#include "ipirm/metrics/options.h"
#include "ipirm/metrics/sample.h"
#include "ipirm/metrics/workers.h"

namespace ipirm::metrics {

struct Report {
  int64_t train_samples = 0, test_samples = 0, codes = 0, dead_codes = 0;
  core::NamedValues scores;  // of all factors together
  // Of each factor that varies.
  std::vector<std::pair<std::string, core::NamedValues>> factors;
  // A row for each code, a column for each of `factors`. In "irs" the rows of dead codes are 0.
  std::vector<std::pair<std::string, Matrix>> matrices;
  std::vector<std::string> notes;  // what was left out, and why: a line each
};

// The metrics of `train` and `test`, which have the same codes and the same factors, called
// `names`; of more samples than the options allow some are drawn by key. A
// factor that is constant in `train` is left out; so are the scores that compare factors where only
// one is left, and those that compare codes where there is only one, with a note. The same bits for
// any number of threads. Throws UserError for numbers that are not finite, naming row and column,
// for a part without samples, where no factor varies, and where options.named holds for a metric of
// which nothing would be left. Without meaning once core::interrupted().
Report report(const Sample& train, const Sample& test, const std::vector<std::string>& names,
              const MetricOptions& options, const Workers& workers);

}  // namespace ipirm::metrics
