// What the tests of the config room share: argument vectors from words, YAML files, the messages of
// UserErrors.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ipirm/config/linear_config.h"
#include "ipirm/config/partition_config.h"
#include "ipirm/config/train_config.h"
#include "ipirm/core/error.h"
#include "support/user_error.h"

namespace ipirm::config {

inline std::vector<const char*> arguments(const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"program"};
  for (const auto& word : words) argv.push_back(word.c_str());
  return argv;
}

inline std::optional<TrainConfig> train(const std::vector<std::string>& words) {
  const auto argv = arguments(words);
  return parse_train(static_cast<int>(argv.size()), argv.data());
}

inline std::optional<LinearConfig> linear(const std::vector<std::string>& words) {
  const auto argv = arguments(words);
  return parse_linear(static_cast<int>(argv.size()), argv.data());
}

inline std::optional<PartitionConfig> partition_tool(const std::vector<std::string>& words) {
  const auto argv = arguments(words);
  return parse_partition(static_cast<int>(argv.size()), argv.data());
}

using test::user_error;

inline std::string train_error(const std::vector<std::string>& words) {
  return user_error([&] { train(words); });
}

inline std::string linear_error(const std::vector<std::string>& words) {
  return user_error([&] { linear(words); });
}

inline std::string partition_tool_error(const std::vector<std::string>& words) {
  return user_error([&] { partition_tool(words); });
}

// A YAML file that goes away with the object.
class YamlFile {
 public:
  explicit YamlFile(const std::string& text) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("ipirm_") + test->test_suite_name() + "_" + test->name() + "_" +
             std::to_string(::getpid()) + "_" + std::to_string(count_++) + ".yaml");
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~YamlFile() { std::filesystem::remove(path_); }
  YamlFile(const YamlFile&) = delete;
  YamlFile& operator=(const YamlFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

}  // namespace ipirm::config
