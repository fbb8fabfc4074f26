// Reads the golden arrays of a test case: C-order float64 or int64 .npy files under tests/golden.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "ipirm/core/files.h"

namespace ipirm::test {

// The array tests/golden/NAME.npy.
inline torch::Tensor golden(const std::string& name) {
  const std::string path = "tests/golden/" + name + ".npy";
  std::string bytes = core::read_file(path, uint64_t{1} << 26);
  const size_t start =
      10 + static_cast<uint8_t>(bytes.at(8)) + 256 * static_cast<uint8_t>(bytes.at(9));
  const std::string header = bytes.substr(10, start - 10);
  const bool floating = header.find("'<f8'") != std::string::npos;
  if (!floating && header.find("'<i8'") == std::string::npos)
    throw std::runtime_error(path + ": not float64 or int64: " + header);

  std::vector<int64_t> shape;
  size_t place = header.find("'shape': (") + 10;
  for (const size_t end = header.find(')', place); place < end;) {
    const size_t comma = std::min(header.find(',', place), end);
    if (comma > place) shape.push_back(std::stoll(header.substr(place, comma - place)));
    place = comma + 1;
    if (place < end && header[place] == ' ') ++place;
  }
  torch::Tensor array = torch::empty(shape, floating ? torch::kFloat64 : torch::kInt64);
  if (array.nbytes() != bytes.size() - start) throw std::runtime_error(path + ": wrong size");
  std::memcpy(array.data_ptr(), bytes.data() + start, array.nbytes());
  return array;
}

// The largest |actual - expected| as a share of the largest |expected|.
inline double relative_error(const torch::Tensor& actual, const torch::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) throw std::runtime_error("shapes differ");
  return ((actual.detach() - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace ipirm::test
