// Draws samples, leaves out what has no meaning, and gives each score its name.
#include "ipirm/metrics/report.h"

#include <algorithm>
#include <cmath>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/keyed_random.h"
#include "ipirm/core/log.h"
#include "ipirm/metrics/dci.h"
#include "ipirm/metrics/information.h"
#include "ipirm/metrics/irs.h"
#include "ipirm/metrics/logistic_regression.h"
#include "ipirm/metrics/sap.h"

namespace ipirm::metrics {
namespace {

using core::cat;
using core::UserError;

void require_finite(const Sample& sample, const char* part) {
  if (sample.codes.rows < 1) throw UserError(cat("metrics: there are no ", part, " samples"));
  if (sample.codes.columns < 1) throw UserError(cat("metrics: ", part, " samples without codes"));
  for (int64_t i = 0; i < sample.codes.rows; ++i) {
    for (int64_t d = 0; d < sample.codes.columns; ++d) {
      if (std::isfinite(sample.codes(i, d))) continue;
      throw UserError(cat("metrics: ", part, " sample ", i, ", code ", d, " (from 0) is ",
                          std::isnan(sample.codes(i, d)) ? "NaN" : "infinite",
                          ", expected finite numbers"));
    }
  }
}

// The sample itself, or `most` of it, drawn by key, in their order.
Sample draw(const Sample& all, int64_t most, uint64_t seed, uint64_t part) {
  if (all.codes.rows <= most) return all;
  auto chosen = core::permutation({seed, core::Purpose::kMetricSample, part}, all.codes.rows);
  chosen.resize(static_cast<size_t>(most));
  std::sort(chosen.begin(), chosen.end());
  Sample result{Matrix(most, all.codes.columns), {}};
  for (int64_t i = 0; i < most; ++i) {
    const auto row = all.codes.values.begin() + chosen[static_cast<size_t>(i)] * all.codes.columns;
    std::copy(row, row + all.codes.columns, &result.codes(i, 0));
  }
  for (const auto& values : all.factors) {
    auto& drawn = result.factors.emplace_back();
    for (const int64_t i : chosen) drawn.push_back(values[static_cast<size_t>(i)]);
  }
  return result;
}

class Reporter {
 public:
  Reporter(Sample train, Sample test, const std::vector<std::string>& names,
           const MetricOptions& options, const Workers& workers)
      : train_(std::move(train)), test_(std::move(test)), options_(options), workers_(workers) {
    leave_out_constant_factors(names);
    result_.train_samples = train_.codes.rows;
    result_.test_samples = test_.codes.rows;
    result_.codes = train_.codes.columns;
    for (int64_t d = 0; d < train_.codes.columns; ++d)
      result_.dead_codes += is_dead(train_.codes.column(d));
  }

  Report run() {
    if (options_.named) refuse_what_has_no_score();
    core::Progress progress("metrics", static_cast<int64_t>(options_.metrics.size()), "metrics");
    int64_t done = 0;
    for (const Metric metric : options_.metrics) {
      if (core::interrupted()) break;
      progress.update(done++, core::name_of(metric));
      add(metric);
    }
    return std::move(result_);
  }

 private:
  void leave_out_constant_factors(const std::vector<std::string>& names) {
    std::vector<Values> train, test;
    for (size_t f = 0; f < names.size(); ++f) {
      if (Classes(train_.factors[f]).count() < 2) {
        note(cat(names[f], " is left out: it has one value in all training samples"));
        continue;
      }
      result_.factors.push_back({names[f], {}});
      train.push_back(std::move(train_.factors[f]));
      test.push_back(std::move(test_.factors[f]));
    }
    if (train.empty()) throw UserError("metrics: no factor varies in the training samples");
    train_.factors = std::move(train);
    test_.factors = std::move(test);
  }

  void note(const std::string& text) { result_.notes.push_back(text); }

  void refuse_what_has_no_score() const {
    const bool one_factor = train_.factors.size() < 2, one_code = train_.codes.columns < 2;
    for (const Metric metric : options_.metrics) {
      const bool of_codes = metric == Metric::kMig || metric == Metric::kSap;
      if (of_codes ? one_code : metric == Metric::kModularity && one_factor) {
        throw UserError(cat("--metrics: ", core::name_of(metric), " compares ",
                            of_codes ? "codes; found one code" : "factors; found one that varies",
                            ", expected two or more"));
      }
    }
  }

  // Whether there are two factors, or codes, to compare; a note if not.
  bool several(const char* score, const char* what, size_t count) {
    if (count > 1) return true;
    note(cat(score, " is left out: it compares ", what, ", and there is one alone"));
    return false;
  }
  bool several_factors(const char* score) {
    return several(score, "factors", train_.factors.size());
  }
  bool several_codes(const char* score) {
    return several(score, "codes", static_cast<size_t>(train_.codes.columns));
  }

  void score(const std::string& name, double value) { result_.scores.push_back({name, value}); }
  void of_factors(const std::string& name, const std::vector<double>& values) {
    for (size_t f = 0; f < values.size(); ++f)
      result_.factors[f].second.push_back({name, values[f]});
  }
  // Each factor's score, their mean, and the least of them where that is of interest.
  void mean_of_factors(const std::string& name, const std::vector<double>& values) {
    of_factors(name, values);
    score(name, mean(values));
  }
  void least_of_factors(const std::string& name, const std::vector<double>& values) {
    score(name, *std::min_element(values.begin(), values.end()));
  }

  void add(Metric metric) {
    switch (metric) {
      case Metric::kDci:
        return add_dci();
      case Metric::kIrs:
        return add_irs();
      case Metric::kMig:
        return add_mig();
      case Metric::kModularity:
        return add_modularity();
      case Metric::kExplicitness:
        return add_explicitness();
      case Metric::kSap:
        return add_sap();
      case Metric::kLr:
        return add_lr();
    }
  }

  void add_dci() {
    auto found = boost_factors(train_, test_, options_.seed, workers_);
    if (core::interrupted()) return;
    if (several_factors("disentanglement"))
      score("disentanglement", disentanglement(found.importance).score);
    if (several_codes("completeness")) {
      const auto complete = completeness(found.importance);
      score("completeness", complete.score);
      of_factors("completeness", complete.parts);
    }
    mean_of_factors("gbt_train", found.train);
    mean_of_factors("gbt_test", found.test);
    least_of_factors("gbt_test_least", found.test);
    result_.matrices.emplace_back("importance", std::move(found.importance));
  }

  void add_irs() {
    const auto found = interventional_robustness(train_, options_.irs_quantile, workers_);
    score("irs", found.score);
    Matrix of_codes(train_.codes.columns, static_cast<int64_t>(train_.factors.size()));
    for (const auto& code : found.codes) {
      for (int64_t f = 0; f < of_codes.columns; ++f)
        of_codes(code.code, f) = code.of_factor[static_cast<size_t>(f)];
    }
    result_.matrices.emplace_back("irs", std::move(of_codes));
  }

  const Matrix& shared_information() {
    const auto is_it = [](const auto& named) { return named.first == "information"; };
    auto& matrices = result_.matrices;
    const auto there = std::find_if(matrices.begin(), matrices.end(), is_it);
    if (there != matrices.end()) return there->second;
    return matrices.emplace_back("information", information(train_, workers_)).second;
  }

  void add_mig() {
    if (!several_codes("mig")) return;
    std::vector<double> entropies;
    for (const auto& values : train_.factors) entropies.push_back(entropy(values));
    mean_of_factors("mig", information_gaps(shared_information(), entropies));
  }

  void add_modularity() {
    if (several_factors("modularity"))
      score("modularity", mean(modularities(shared_information())));
  }

  void add_explicitness() {
    const auto found = explicitness(train_, test_, workers_);
    if (core::interrupted()) return;
    mean_of_factors("explicitness_train", found.train);
    std::vector<double> defined;
    for (size_t f = 0; f < found.test.size(); ++f) {
      auto& [name, scores] = result_.factors[f];
      if (std::isnan(found.test[f])) {
        note(cat("explicitness_test of ", name, " is left out: all test samples have one value"));
        continue;
      }
      scores.push_back({"explicitness_test", found.test[f]});
      defined.push_back(found.test[f]);
    }
    if (!defined.empty()) score("explicitness_test", mean(defined));
  }

  void add_sap() {
    if (!several_codes("sap")) return;
    auto accuracy = attribute_predictability(train_, test_, workers_);
    score("sap", predictability_gap(accuracy));
    result_.matrices.emplace_back("sap", std::move(accuracy));
  }

  void add_lr() {
    const auto found = logistic_accuracy(train_, test_, workers_);
    if (core::interrupted()) return;
    of_factors("lr_C", found.C);
    mean_of_factors("lr_train", found.train);
    mean_of_factors("lr_test", found.test);
    least_of_factors("lr_test_least", found.test);
  }

  Sample train_, test_;
  MetricOptions options_;
  const Workers& workers_;
  Report result_;
};

}  // namespace

Report report(const Sample& train, const Sample& test, const std::vector<std::string>& names,
              const MetricOptions& options, const Workers& workers) {
  require_finite(train, "training");
  require_finite(test, "test");
  return Reporter(draw(train, options.train_samples, options.seed, 0),
                  draw(test, options.test_samples, options.seed, 1), names, options, workers)
      .run();
}

}  // namespace ipirm::metrics
