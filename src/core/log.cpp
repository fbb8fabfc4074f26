// Log lines through spdlog, and the progress line.
#include "ipirm/core/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "ipirm/core/error.h"

namespace ipirm::core {
namespace {

bool g_line_shown = false;  // a progress line stands on the terminal
std::string g_prefix;       // of every line

// Wipes the progress line, so that what is printed next starts at the left margin.
void clear_progress_line() {
  if (!g_line_shown) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  g_line_shown = false;
}

// https://no-color.org: any value but an empty one.
bool without_colour() {
  const char* const value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

spdlog::logger& logger(bool problem) {
  static const auto make = [](const char* name, auto sink, const char* pattern) {
    if (without_colour()) sink->set_color_mode(spdlog::color_mode::never);
    sink->set_pattern(pattern);
    auto target = std::make_shared<spdlog::logger>(name, std::move(sink));
    target->set_level(spdlog::level::info);
    target->flush_on(spdlog::level::trace);
    return target;
  };
  static const auto out =
      make("out", std::make_shared<spdlog::sinks::ansicolor_stdout_sink_mt>(), "%v");
  static const auto err =
      make("err", std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(), "%^%l%$: %v");
  return problem ? *err : *out;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// Problems are one line each, whatever characters the name of a file in it has.
std::string one_line(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return text;
}

void write(spdlog::level::level_enum level, const std::string& line) {
  auto& to = logger(level >= spdlog::level::warn);
  if (!to.should_log(level)) return;
  clear_progress_line();
  to.log(level, g_prefix + line);
}

}  // namespace

void set_log_level(LogLevel level) {
  for (const bool problem : {false, true}) logger(problem).set_level(spdlog_level(level));
}

void set_log_prefix(const std::string& prefix) { g_prefix = prefix; }

void log_debug(const std::string& line) { write(spdlog::level::debug, line); }
void log_info(const std::string& line) { write(spdlog::level::info, line); }
void log_warning(const std::string& line) { write(spdlog::level::warn, one_line(line)); }
void log_error(const std::string& line) { write(spdlog::level::err, one_line(line)); }

std::string version() { return IPIRM_VERSION; }

std::string human_duration(double seconds) {
  char text[32];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%dm %02ds", static_cast<int>(seconds) / 60,
                  static_cast<int>(seconds) % 60);
  } else {
    std::snprintf(text, sizeof text, "%.0fh %02dm", std::floor(seconds / 3600),
                  static_cast<int>(std::fmod(seconds, 3600.0) / 60));
  }
  return text;
}

Progress::Progress(std::string label, int64_t total, std::string unit, double plain_interval_s)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      interval_s_(isatty(STDERR_FILENO) ? 0.1 : plain_interval_s),
      terminal_(isatty(STDERR_FILENO)),
      start_(Clock::now()),
      shown_(start_) {}

Progress::~Progress() { clear_progress_line(); }

bool Progress::due() const {
  return logger(false).should_log(spdlog::level::info) &&
         std::chrono::duration<double>(Clock::now() - shown_).count() >= interval_s_;
}

namespace {

// The first part of a line that the terminal shows without going on to the next row, which could
// not be cleared.
std::string within_a_row(const std::string& line) {
  winsize size = {};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return line.substr(0, (known ? size.ws_col : size_t{80}) - 1);
}

}  // namespace

void Progress::update(int64_t done, const std::string& text) {
  if (!due()) return;
  shown_ = Clock::now();
  const double elapsed = std::chrono::duration<double>(shown_ - start_).count();
  const double rate = static_cast<double>(done) / elapsed;
  const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%3.0f%%  %.*f %s/s  %s left",
                100.0 * static_cast<double>(done) / static_cast<double>(total_), rate < 10 ? 1 : 0,
                rate, unit_.c_str(), human_duration(left).c_str());
  const auto line = cat(label_, "  ", numbers, "  ", text);
  if (terminal_) {
    std::fprintf(stderr, "\r\x1b[K%s", within_a_row(line).c_str());
    g_line_shown = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

}  // namespace ipirm::core
