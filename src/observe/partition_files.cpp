// Writes partitions, and finds and compares the fingerprint beside one.
#include "ipirm/observe/partition_files.h"

#include <system_error>

#include "ipirm/checkpoint/npy.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::observe {

std::filesystem::path data_of_partition(const std::filesystem::path& partition) {
  auto path = partition;
  path += ".data";
  return path;
}

void PartitionFiles::maximize(const train::MaximizeRecord& record) {
  const auto path = folder_ / core::cat("GroupResults_", record.epoch, ".npy");
  if (data_) core::write_atomically(data_of_partition(path), data::to_text(*data_));
  checkpoint::write_npy(path, record.result.logits.to(torch::kFloat32));
}

std::string difference_from_partition(const std::filesystem::path& partition,
                                      const data::Fingerprint& now) {
  const auto path = data_of_partition(partition);
  if (std::error_code unreadable; !std::filesystem::exists(path, unreadable)) return "";
  return data::difference(data::read_fingerprint(path), now);
}

}  // namespace ipirm::observe
