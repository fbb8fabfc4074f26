// Embeds training and test images and asks what the features keep apart.
#include "ipirm/eval/metrics_evaluation.h"

#include <algorithm>

#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/metrics/report.h"

namespace ipirm::eval {
namespace {

constexpr const char* kAllFactors = "all";

class MetricsEvaluation : public Evaluation {
 public:
  MetricsEvaluation(std::shared_ptr<const data::ImageSet> train,
                    std::shared_ptr<const data::ImageSet> test, FeatureKind feature,
                    const metrics::MetricOptions& options, const RunOptions& run, int threads)
      : train_(std::move(train)),
        test_(std::move(test)),
        feature_(feature),
        options_(options),
        run_(run),
        workers_(threads) {
    const auto& factors = train_->factors();
    if (std::none_of(factors.begin(), factors.end(), varies)) {
      throw core::UserError(
          "--eval metrics: no factor of the images has two values; name factors by --factors_csv, "
          "or leave the setting out");
    }
  }

  std::string name() const override { return "metrics"; }

  std::optional<std::vector<FactorScores>> run(model::Model& model) override {
    torch::NoGradGuard no_grad;
    const auto train = sample_of(model, *train_, "metrics, training images");
    const auto test = train ? sample_of(model, *test_, "metrics, test images") : std::nullopt;
    if (!test || is_interrupted()) return std::nullopt;
    std::vector<std::string> names;
    for (const auto& factor : train_->factors()) names.push_back(factor.name);
    const auto report = metrics::report(*train, *test, names, options_, workers_);
    if (is_interrupted()) return std::nullopt;
    for (const auto& note : report.notes) core::log_debug("metrics: " + note);
    std::vector<FactorScores> all;
    for (const auto& [factor, scores] : report.factors) {
      if (!scores.empty()) all.push_back({factor, factor == names[0], scores});
    }
    all.push_back({kAllFactors, false, report.scores});
    return all;
  }

 private:
  static bool varies(const data::Factor& factor) {
    const auto& values = factor.values;
    const auto first = std::find_if(values.begin(), values.end(), [](int64_t v) { return v >= 0; });
    return std::any_of(first, values.end(), [&](int64_t v) { return v >= 0 && v != *first; });
  }

  // Several ranks decide together when to stop, while they embed: each computes the same report.
  bool is_interrupted() const { return run_.group->is_alone() && core::interrupted(); }

  // The features, and the factors' values, of the images whose factors are all known; nothing once
  // the ranks stop.
  std::optional<metrics::Sample> sample_of(model::Model& model, const data::ImageSet& set,
                                           const std::string& label) const {
    const auto found = embed_whole_set(model, set, run_, label, feature_);
    if (!found.defined()) return std::nullopt;
    const auto features = found.to(torch::kCPU, torch::kFloat64).contiguous();
    const auto& factors = set.factors();
    metrics::Sample sample;
    sample.codes.columns = features.size(1);
    sample.factors.resize(factors.size());
    const double* row = features.const_data_ptr<double>();
    for (size_t i = 0; i < static_cast<size_t>(set.size()); ++i, row += features.size(1)) {
      const bool known = std::all_of(factors.begin(), factors.end(),
                                     [&](const auto& factor) { return factor.values[i] >= 0; });
      if (!known) continue;
      ++sample.codes.rows;
      sample.codes.values.insert(sample.codes.values.end(), row, row + features.size(1));
      for (size_t f = 0; f < factors.size(); ++f) sample.factors[f].push_back(factors[f].values[i]);
    }
    return sample;
  }

  std::shared_ptr<const data::ImageSet> train_, test_;
  FeatureKind feature_;
  metrics::MetricOptions options_;
  RunOptions run_;
  metrics::Workers workers_;
};

}  // namespace

std::unique_ptr<Evaluation> make_metrics_evaluation(std::shared_ptr<const data::ImageSet> train,
                                                    std::shared_ptr<const data::ImageSet> test,
                                                    FeatureKind feature,
                                                    const metrics::MetricOptions& options,
                                                    const RunOptions& run, int threads) {
  return std::make_unique<MetricsEvaluation>(std::move(train), std::move(test), feature, options,
                                             run, threads);
}

}  // namespace ipirm::eval
