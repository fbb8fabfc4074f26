// Reads the golden values of tests/golden: arrays (.npy) and scalars (case.yaml). Tests run in the
// repository's root.
#pragma once

#include <torch/types.h>

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace ipirm::testing {

// tests/golden/CASE/ARRAY.npy as a tensor of the file's dtype (float64, float32, int64, uint8), C
// order. Independent of the checkpoint room's reader, which is under test itself.
inline torch::Tensor golden(const std::string& case_name, const std::string& array) {
  const std::string path = "tests/golden/" + case_name + "/" + array + ".npy";
  std::ifstream file(path, std::ios::binary);
  std::stringstream buffer;
  buffer << file.rdbuf();
  const std::string bytes = buffer.str();
  if (bytes.size() < 10 || bytes.compare(1, 5, "NUMPY") != 0)
    throw std::runtime_error(path + ": no .npy file");
  const size_t header_size = static_cast<uint8_t>(bytes[8]) + 256u * static_cast<uint8_t>(bytes[9]);
  const std::string header = bytes.substr(10, header_size);
  static const std::map<std::string, torch::ScalarType> kTypes = {{"<f8", torch::kFloat64},
                                                                  {"<f4", torch::kFloat32},
                                                                  {"<i8", torch::kInt64},
                                                                  {"<i4", torch::kInt32},
                                                                  {"|u1", torch::kUInt8}};
  const size_t descr = header.find("'descr': '") + 10;
  const auto type = kTypes.at(header.substr(descr, 3));
  std::vector<int64_t> shape;
  std::stringstream sizes(
      header.substr(header.find('(') + 1, header.find(')') - header.find('(') - 1));
  for (std::string size; std::getline(sizes, size, ',');) {
    if (size.find_first_of("0123456789") != std::string::npos) shape.push_back(std::stoll(size));
  }
  auto result = torch::empty(shape, type);
  if (bytes.size() != 10 + header_size + result.nbytes())
    throw std::runtime_error(path + ": wrong size");
  std::memcpy(result.data_ptr(), bytes.data() + 10 + header_size, result.nbytes());
  return result;
}

// `key: value` of tests/golden/CASE/case.yaml; true is 1, false 0.
inline double golden_scalar(const std::string& case_name, const std::string& key) {
  std::ifstream file("tests/golden/" + case_name + "/case.yaml");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key + ": ", 0) != 0) continue;
    const std::string value = line.substr(key.size() + 2);
    return value == "true" ? 1 : value == "false" ? 0 : std::stod(value);
  }
  throw std::runtime_error(case_name + "/case.yaml: no " + key);
}

// The largest difference, relative to the expected array's largest absolute value.
inline double relative_error(const torch::Tensor& found, const torch::Tensor& expected) {
  if (found.sizes() != expected.sizes()) throw std::runtime_error("shapes differ");
  const auto exact = expected.detach().to(torch::kFloat64);
  const auto error = (found.detach().to(torch::kFloat64) - exact).abs().max();
  return (error / exact.abs().max().clamp_min(1e-300)).item<double>();
}

}  // namespace ipirm::testing
