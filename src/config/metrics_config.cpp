// The table of ipirm-metrics' settings.
#include "ipirm/config/metrics_config.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "config/command_line.h"
#include "config/group.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-metrics",
    "Says what a representation keeps apart, from features whose samples' factors are known.\n"
    "\n"
    "The features are .npy arrays (N, D), float32 or float64, of training and of test samples; "
    "beside\n"
    "each a .csv file with a row for each sample in the same order, whose columns are factors: "
    "what\n"
    "ipirm-features writes, or any other program. Columns called index and path are not read. "
    "Features\n"
    "are used as given. The report goes to a .json file and, as a table, to standard output.",
    "Example:\n"
    "  for split in train test; do\n"
    "    ipirm-features --model_path results/ColoredDigits/ipirm/model_30.pt --dataset "
    "ColoredDigits \\\n"
    "        --split $split --feature z --out $split.npy\n"
    "  done\n"
    "  ipirm-metrics --train train.npy --test test.npy --out metrics.json",
};

std::vector<Field> fields_of(MetricsConfig& c) {
  std::vector<Field> fields;
  Group files(fields, "Features and results");
  files.text("train", "FILE.npy", &c.train, "features that classifiers are trained on (required)");
  files.text("test", "FILE.npy", &c.test, "features that they are tested on (required)");
  files.text("train_factors", "FILE", &c.train_factors,
             "factors of the training samples (default: FILE.csv beside FILE.npy)");
  files.text("test_factors", "FILE", &c.test_factors, "factors of the test samples (likewise)");
  files.text("factors", "NAME,NAME", &c.factor_names, "columns that count (default: all)");
  files.text("out", "FILE", &c.out, "the report, JSON (required)");
  files.flag_of_call("overwrite", &c.overwrite, "replace the file that --out names");
  Group metrics(fields, "Metrics");
  metrics.text("metrics", "NAME,NAME", &c.metric_names,
               "some of dci, irs, mig, modularity, explicitness, sap, lr (default: all)");
  metrics.number("train_samples", &c.options.train_samples, count_from(1),
                 "training samples; of more so many are drawn");
  metrics.number("test_samples", &c.options.test_samples, count_from(1), "test samples, likewise");
  metrics.probability("irs_quantile", &c.options.irs_quantile,
                      "of the distances in a group that IRS takes; 1: the largest one");
  metrics.number("seed", &c.options.seed, at_least(0),
                 "of the samples drawn and of ties between splits of trees");
  Group run(fields, "Run");
  run.kind("log_level", &c.log_level, "least level shown: debug, info, warning, error or off",
           "LEVEL");
  return fields;
}

// "a,b" in parts; nothing for "".
std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

void read_metric_names(MetricsConfig& c) {
  if (c.metric_names.empty()) return;
  c.options.named = true;
  c.options.metrics.clear();
  for (const auto& name : parts_of(c.metric_names)) {
    const auto metric = core::find_kind<metrics::Metric>(name);
    if (!metric) {
      throw core::UserError(core::cat("--metrics: found ", in_quotes(name), ", expected one of ",
                                      joined(core::names_of<metrics::Metric>(), ", ")));
    }
    auto& chosen = c.options.metrics;
    if (std::find(chosen.begin(), chosen.end(), *metric) != chosen.end())
      throw core::UserError(core::cat("--metrics: found ", in_quotes(name), " twice"));
    chosen.push_back(*metric);
  }
}

void complete(MetricsConfig& c) {
  const auto require = [](const std::string& value, const char* message) {
    if (value.empty()) throw core::UserError(message);
  };
  require(c.train, "--train is missing: name the .npy file with the training samples' features");
  require(c.test, "--test is missing: name the .npy file with the test samples' features");
  require(c.out, "--out is missing: name the .json file to write the report to");
  const auto beside = [](const std::string& features) {
    return std::filesystem::path(features).replace_extension(".csv").string();
  };
  if (c.train_factors.empty()) c.train_factors = beside(c.train);
  if (c.test_factors.empty()) c.test_factors = beside(c.test);
  c.factors = parts_of(c.factor_names);
  read_metric_names(c);
}

}  // namespace

std::optional<MetricsConfig> parse_metrics(int argc, const char* const* argv) {
  MetricsConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  complete(config);
  return config;
}

}  // namespace ipirm::config
