// A run's state as earlier versions of the program wrote it.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::test {

// version: 1 to 3, which kept counters and the texts' sizes in "run"; before 3 there was no
// fingerprint. now: the tensors of a state file of this version.
inline checkpoint::StateDict as_version(int64_t version, const checkpoint::StateDict& now) {
  std::vector<int64_t> run = {version};
  for (const char* name :
       {"position", "text.log.txt", "text.metrics.jsonl", "text.knn_result.txt", "partitions"}) {
    for (const auto& [found, tensor] : now) {
      if (found != name) continue;
      for (const auto& value : tensor.reshape({-1}).split(1)) run.push_back(value.item<int64_t>());
    }
  }
  TORCH_CHECK(run.size() == 9, "counters are missing");
  checkpoint::StateDict tensors;
  for (const auto& [name, tensor] : now) {
    const bool later = name == "run" || name == "position" || name == "partitions" ||
                       name == "partition_source" || name.starts_with("text.") ||
                       (version < 3 && name == "data.fingerprint");
    if (!later) tensors.emplace_back(name, tensor);
  }
  tensors.emplace_back("run", torch::tensor(run, torch::kInt64));
  return tensors;
}

}  // namespace ipirm::test
