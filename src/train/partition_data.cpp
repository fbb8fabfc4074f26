// Finds and compares the fingerprint beside a partition.
#include "ipirm/train/partition_data.h"

#include <system_error>

namespace ipirm::train {

std::filesystem::path data_of_partition(const std::filesystem::path& partition) {
  auto path = partition;
  path += ".data";
  return path;
}

std::string difference_from_partition(const std::filesystem::path& partition,
                                      const data::Fingerprint& now) {
  const auto path = data_of_partition(partition);
  if (std::error_code unreadable; !std::filesystem::exists(path, unreadable)) return "";
  return data::difference(data::read_fingerprint(path), now);
}

}  // namespace ipirm::train
