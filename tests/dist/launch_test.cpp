// What the variables of torchrun, srun and mpirun mean, and which are refused.
#include "ipirm/dist/launch.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/user_error.h"

namespace ipirm::dist {
namespace {

Launch launch(const std::map<std::string, std::string>& variables) {
  return read_launch([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string refusal(const std::map<std::string, std::string>& variables) {
  return test::user_error([&] { launch(variables); });
}

TEST(Launch, WithoutVariablesThereIsOneProcess) {
  EXPECT_TRUE(launch({}).is_alone());
  // A batch script of several tasks is one process itself.
  EXPECT_TRUE(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}).is_alone());
  EXPECT_TRUE(launch({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).is_alone());
}

TEST(Launch, ReadsWhatTorchrunSets) {
  const auto found = launch({{"RANK", "5"},
                             {"WORLD_SIZE", "8"},
                             {"LOCAL_RANK", "1"},
                             {"MASTER_ADDR", "node0"},
                             {"MASTER_PORT", "29500"},
                             {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  EXPECT_EQ(found.rank, 5);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.host, "node0");
  EXPECT_EQ(found.port, 29500);
  EXPECT_TRUE(found.is_hosted);
}

TEST(Launch, ReadsWhatSrunAndMpirunSet) {
  const std::map<std::string, std::string> master = {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}};
  auto slurm = master, mpi = master;
  slurm.insert({{"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "3"}, {"SLURM_LOCALID", "1"}});
  mpi.insert({{"OMPI_COMM_WORLD_RANK", "2"},
              {"OMPI_COMM_WORLD_SIZE", "3"},
              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}});
  for (const auto& variables : {slurm, mpi}) {
    const auto found = launch(variables);
    EXPECT_EQ(found.rank, 2);
    EXPECT_EQ(found.size, 3);
    EXPECT_EQ(found.local_rank, 1);
    EXPECT_FALSE(found.is_hosted);
  }
}

TEST(Launch, BadValuesAreNamed) {
  const std::map<std::string, std::string> good = {
      {"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "29500"}};
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"RANK", "2"}, {"WORLD_SIZE", "two"}, {"LOCAL_RANK", "-1"}, {"MASTER_PORT", "70000"}}) {
    auto bad = good;
    bad[name] = value;
    const auto line = refusal(bad);
    EXPECT_NE(line.find(name), std::string::npos) << line;
    EXPECT_NE(line.find("'" + value + "'"), std::string::npos) << line;
  }
  auto lonely = good;
  lonely.erase("MASTER_ADDR");
  EXPECT_NE(refusal(lonely).find("MASTER_ADDR"), std::string::npos);
  EXPECT_NE(refusal({{"RANK", "0"}}).find("WORLD_SIZE"), std::string::npos);
}

}  // namespace
}  // namespace ipirm::dist
