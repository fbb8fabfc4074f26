// Log lines for people on stdout, with levels; and the progress line on stderr that gives way to
// them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "ipirm/core/names.h"

namespace ipirm::core {

// The least severe lines that are shown.
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

template <>
struct NamesOf<LogLevel> {
  static constexpr Named<LogLevel> kNames[] = {{LogLevel::kDebug, "debug"},
                                               {LogLevel::kInfo, "info"},
                                               {LogLevel::kWarning, "warning"},
                                               {LogLevel::kError, "error"},
                                               {LogLevel::kOff, "off"}};
};

void set_log_level(LogLevel level);
// What every line begins with from now on: "rank 3: ".
void set_log_prefix(const std::string& prefix);

void log_debug(const std::string& line);
void log_info(const std::string& line);
void log_warning(const std::string& line);  // stderr
void log_error(const std::string& line);    // stderr

// The program's version, "0.1.0".
std::string version();

// Progress of long work: rate, time left and a few words, redrawn in place on a terminal (at most
// 10 times a second); where stderr is no terminal, a plain line at most every `plain_interval_s`
// seconds and none for work that ends sooner. Silent when the log level is above info. Not for
// concurrent use.
class Progress {
 public:
  // label: "epoch 3/400"; total: units of the whole work; unit: what is counted, "views".
  Progress(std::string label, int64_t total, std::string unit, double plain_interval_s = 10.0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // True when a new line would be shown now: only then is it worth reading values from a device for
  // `text`.
  bool due() const;
  // `done` units are finished; text: further words, "loss 3.21".
  void update(int64_t done, const std::string& text = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_, unit_;
  int64_t total_;
  double interval_s_;
  bool terminal_;
  Clock::time_point start_, shown_;
};

// "1h 02m", "3m 20s", "12 s": a duration for people. seconds >= 0.
std::string human_duration(double seconds);

}  // namespace ipirm::core
