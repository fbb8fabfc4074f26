// Reads and checks the variables of torchrun, srun and mpirun.
#include "ipirm/dist/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::dist {
namespace {

using core::cat;
using core::UserError;

constexpr int kMostProcesses = 65536, kLastPort = 65535;

// The names that one way to start processes has for the three numbers.
struct Names {
  const char *rank, *size, *local_rank;
};
constexpr Names kStarters[] = {
    {"RANK", "WORLD_SIZE", "LOCAL_RANK"},
    // SLURM_NTASKS is set in a batch script too, which is one process: the step's number counts.
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"}};

int number(const Environment& environment, const char* name, int least, int most) {
  const char* const found = environment(name);
  const std::string_view text = found ? found : "";
  int value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (found && failure == std::errc() && end == text.data() + text.size() && value >= least &&
      value <= most)
    return value;
  throw UserError(cat("the variable ", name, ": found ", found ? core::in_quotes(text) : "nothing",
                      ", expected a whole number from ", least, " to ", most,
                      "; start the processes by torchrun, srun or mpirun"));
}

// Whether these variables are those that started this process.
bool started_by(const Names& names, const Environment& environment) {
  const bool rank = environment(names.rank) != nullptr, size = environment(names.size) != nullptr;
  const bool is_slurm = std::string_view(names.rank).starts_with("SLURM");
  if (rank == size || is_slurm) return rank && size;
  throw UserError(cat("the variable ", rank ? names.rank : names.size, " is set and ",
                      rank ? names.size : names.rank,
                      " is not: start the processes by torchrun, or unset it for one process"));
}

}  // namespace

Launch read_launch(const Environment& environment) {
  for (const auto& names : kStarters) {
    if (!started_by(names, environment)) continue;
    Launch launch;
    launch.size = number(environment, names.size, 1, kMostProcesses);
    launch.rank = number(environment, names.rank, 0, launch.size - 1);
    if (environment(names.local_rank))
      launch.local_rank = number(environment, names.local_rank, 0, launch.size - 1);
    if (launch.is_alone()) return launch;
    const char* const host = environment("MASTER_ADDR");
    if (!host || !*host) {
      throw UserError(
          cat("the variable MASTER_ADDR is not set, by which ", launch.size,
              " processes find each other: export the name of rank 0's host, and a free "
              "port of it as MASTER_PORT (torchrun sets both)"));
    }
    launch.host = host;
    launch.port = number(environment, "MASTER_PORT", 1, kLastPort);
    const char* const hosted = environment("TORCHELASTIC_USE_AGENT_STORE");
    launch.is_hosted = hosted && std::string_view(hosted) == "True";
    return launch;
  }
  return {};
}

Launch read_launch() {
  return read_launch([](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace ipirm::dist
