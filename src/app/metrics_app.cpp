// Composes the metrics of features from files: two feature files, two tables of factors, a report.
#include "ipirm/app/metrics_app.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "app/features.h"
#include "app/metrics_report.h"
#include "app/outputs.h"
#include "ipirm/app/program.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/core/process.h"
#include "ipirm/metrics/factor_tables.h"
#include "ipirm/metrics/report.h"

namespace ipirm::app {
namespace {

using core::cat;
using core::UserError;

metrics::Matrix matrix_of(const torch::Tensor& codes) {
  const auto exact = codes.to(torch::kFloat64).contiguous();
  metrics::Matrix result(exact.size(0), exact.size(1));
  const double* first = exact.const_data_ptr<double>();
  std::copy(first, first + exact.numel(), result.values.begin());
  return result;
}

void require_width(const config::MetricsConfig& config, int64_t train, int64_t test) {
  if (train == test) return;
  throw UserError(cat(config.test, ": holds features of width ", test, ", expected ", train,
                      " as in ", config.train));
}

}  // namespace

int run_metrics(const config::MetricsConfig& config) {
  core::set_log_level(config.log_level);
  const auto start = std::chrono::steady_clock::now();
  check_outputs({config.out},
                {config.train, config.test, config.train_factors, config.test_factors},
                "read by this program", config.overwrite);
  try_output(config.out);
  const int threads = at::get_num_threads();
  core::check_threads(threads);
  const auto train_codes = read_codes(config.train), test_codes = read_codes(config.test);
  require_width(config, train_codes.size(1), test_codes.size(1));
  auto tables =
      metrics::read_factor_tables(config.train_factors, train_codes.size(0), config.test_factors,
                                  test_codes.size(0), config.factors);
  core::log_info(
      cat("ipirm-metrics ", core::version(), "  ", threads, threads == 1 ? " thread" : " threads"));
  core::log_info(cat(config.train, "  ", train_codes.size(0), " samples of width ",
                     train_codes.size(1), ";  ", config.test, "  ", test_codes.size(0)));
  const auto report = metrics::report({matrix_of(train_codes), std::move(tables.train)},
                                      {matrix_of(test_codes), std::move(tables.test)}, tables.names,
                                      config.options, metrics::Workers(threads));
  if (core::interrupted()) {
    core::log_info(cat("stopped; nothing was written to ", config.out));
    return kExitInterrupted;
  }
  for (const auto& note : report.notes) core::log_warning(note);
  core::write_atomically(config.out, to_json(report, config.options));
  std::fputs(to_table(report).c_str(), stdout);
  std::fflush(stdout);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  core::log_info(cat("done in ", core::human_duration(seconds.count()), "  ", config.out));
  return kExitOk;
}

}  // namespace ipirm::app
