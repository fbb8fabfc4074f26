// What started this process beside others: torchrun, srun or mpirun, read from the variables that
// they set.
#pragma once

#include <functional>
#include <string>

namespace ipirm::dist {

struct Launch {
  // This process among all, 0..size-1, and how many there are.
  int rank = 0, size = 1;
  // This process among those of its host, from 0: the number of its GPU.
  int local_rank = 0;
  // Where the processes find each other: a host and a port of it. Empty and 0 for one process.
  std::string host;
  int port = 0;
  // Whether whoever started the processes listens there (torchrun); otherwise rank 0 does.
  bool is_hosted = false;

  bool is_alone() const { return size == 1; }
};

// The value of a variable, or null.
using Environment = std::function<const char*(const char* name)>;

// RANK, WORLD_SIZE, LOCAL_RANK (torchrun); SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID
// (srun); OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK (mpirun): the first of the three that is there
// counts. Of several processes also MASTER_ADDR and MASTER_PORT. Without them: one process. Throws
// UserError that names the variable, what it holds and what was expected.
Launch read_launch(const Environment& environment);
// The same of this process's environment.
Launch read_launch();

}  // namespace ipirm::dist
