// GroupResults_E.npy: each partition of a run as a file, and beside it which data it is of (METHOD
// 9; src/checkpoint/FORMAT.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ipirm/data/fingerprint.h"
#include "ipirm/train/observer.h"

namespace ipirm::observe {

class PartitionFiles : public train::Observer {
 public:
  PartitionFiles(std::filesystem::path folder, std::optional<data::Fingerprint> data)
      : folder_(std::move(folder)), data_(std::move(data)) {}
  // GroupResults_E.npy of the best logits, float32, and before it GroupResults_E.npy.data, so that
  // no partition stands without its data. Throws WriteError.
  void maximize(const train::MaximizeRecord& record) override;

 private:
  std::filesystem::path folder_;
  std::optional<data::Fingerprint> data_;
};

// FILE.npy.data, the fingerprint beside a partition.
std::filesystem::path data_of_partition(const std::filesystem::path& partition);

// What differs between the data that lie beside `partition` and `now`, in words; empty where
// nothing does, and where nothing lies beside it. Throws UserError for a fingerprint that cannot be
// read.
std::string difference_from_partition(const std::filesystem::path& partition,
                                      const data::Fingerprint& now);

}  // namespace ipirm::observe
