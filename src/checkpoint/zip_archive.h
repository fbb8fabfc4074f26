// Reads the zip container of a torch file: uncompressed records, each checked against its CRC.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace ipirm::checkpoint {

using Bytes = std::span<const uint8_t>;

// The records of a zip archive, by name. LibTorch's PyTorchStreamReader is not used here: it
// neither checks the CRC nor hands it out, and it takes memory for sizes that it has not compared
// with the file's.
class ZipArchive {
 public:
  // file: the whole archive, which must outlive this object; path: named in messages. Throws
  // UserError if the archive is cut short or damaged, if its records overlap, or if one is
  // compressed, encrypted or fails its CRC.
  ZipArchive(Bytes file, const std::string& path);

  const std::map<std::string, Bytes>& records() const { return records_; }

 private:
  std::map<std::string, Bytes> records_;
};

}  // namespace ipirm::checkpoint
