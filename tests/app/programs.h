// Runs the programs inside the test process, as main() does, and keeps what they said.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "data/write_sets.h"
#include "ipirm/app/linear_app.h"
#include "ipirm/app/partition_app.h"
#include "ipirm/app/program.h"
#include "ipirm/app/train_app.h"

namespace ipirm::app {

struct Outcome {
  int code = 0;
  std::string out, err;
};

inline Outcome run(const std::function<int(int, const char* const*)>& body,
                   const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"program"};
  for (const auto& word : words) argv.push_back(word.c_str());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = run_program([&] { return body(static_cast<int>(argv.size()), argv.data()); });
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

inline Outcome train(const std::vector<std::string>& words) {
  return run(
      [](int argc, const char* const* argv) {
        const auto config = config::parse_train(argc, argv);
        return config ? run_train(*config) : kExitOk;
      },
      words);
}

inline Outcome linear(const std::vector<std::string>& words) {
  return run(
      [](int argc, const char* const* argv) {
        const auto config = config::parse_linear(argc, argv);
        return config ? run_linear(*config) : kExitOk;
      },
      words);
}

inline Outcome partition_tool(const std::vector<std::string>& words) {
  return run(
      [](int argc, const char* const* argv) {
        const auto config = config::parse_partition(argc, argv);
        return config ? run_partition(*config) : kExitOk;
      },
      words);
}

inline std::vector<std::string> operator+(std::vector<std::string> a,
                                          const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A user's mistake: exit 2, and one line on stderr that holds each of the words.
inline void expect_refused(const Outcome& outcome, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, kExitUserError) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  for (const auto& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err << word;
}

}  // namespace ipirm::app
