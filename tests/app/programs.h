// Runs the programs inside the test process, as main() does, and keeps what they said; the small
// run and the small evaluation that their tests vary.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "data/write_sets.h"
#include "ipirm/app/export_app.h"
#include "ipirm/app/features_app.h"
#include "ipirm/app/linear_app.h"
#include "ipirm/app/partition_app.h"
#include "ipirm/app/program.h"
#include "ipirm/app/train_app.h"
#include "ipirm/core/files.h"

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

// What a program does with these words behind its name.
template <auto parse, auto run_config>
Outcome run_parsed(const std::vector<std::string>& words) {
  return run(
      [](int argc, const char* const* argv) {
        const auto config = parse(argc, argv);
        return config ? run_config(*config) : kExitOk;
      },
      words);
}

inline Outcome train(const std::vector<std::string>& words) {
  return run_parsed<config::parse_train, run_train>(words);
}
inline Outcome linear(const std::vector<std::string>& words) {
  return run_parsed<config::parse_linear, run_linear>(words);
}
inline Outcome features(const std::vector<std::string>& words) {
  return run_parsed<config::parse_features, run_features>(words);
}
inline Outcome partition_tool(const std::vector<std::string>& words) {
  return run_parsed<config::parse_partition, run_partition>(words);
}
inline Outcome export_tool(const std::vector<std::string>& words) {
  return run_parsed<config::parse_export, run_export>(words);
}

using Words = std::vector<std::string>;

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// "--width 16" as two words. No word of the line may hold a space.
inline Words split(const std::string& line) {
  std::istringstream words(line);
  return {std::istream_iterator<std::string>(words), {}};
}

// A user's mistake: exit 2, and one line on stderr that holds each of the words.
inline void expect_refused(const Outcome& outcome, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, kExitUserError) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  for (const auto& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err << word;
}

// A folder for the data and results of one test, and the flags of runs that are small enough: of
// flags given twice the last counts, so that tests add what they vary.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { torch::set_num_threads(1); }

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  std::string read(const std::string& name) const { return core::read_file(root_ / name, 1 << 24); }

  // One epoch of a narrow encoder on data/, to results/DATASET/x.
  Words small_run(const std::string& more = "") const {
    return split(
               "--arch resnet18 --width 16 --feature_dim 8 --batch_size 6 --crop_size 8 "
               "--epochs 1 --k 5 --offline --maximize_passes 2 --name x "
               "--workers 2 --device cpu --log_level warning") +
           Words{"--data_root", path("data"), "--results_root", path("results")} + split(more);
  }
  // One epoch of an evaluation on data/, to downstream/DATASET/x.
  Words small_evaluation(const std::string& more = "") const {
    return split(
               "--batch_size 8 --crop_size 8 --epochs 1 --name x "
               "--workers 2 --device cpu --log_level warning") +
           Words{"--data_root", path("data"), "--downstream_root", path("downstream")} +
           split(more);
  }

  const test_sets::TempFolder folder_;
  const std::filesystem::path root_ = folder_.path();
};

}  // namespace ipirm::app
