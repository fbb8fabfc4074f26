// Writes arrays in the IDX format, plain or gzip, and small sets of grey images, for all tests.
#pragma once

#include <zlib.h>

#include <stdexcept>

#include "data/write_sets.h"

namespace ipirm::test_sets {

inline void put_size(Bytes& bytes, uint32_t size) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(size >> shift));
}

// The bytes of such a file.
inline Bytes idx_bytes(const std::vector<uint32_t>& sizes, const Bytes& values) {
  Bytes bytes = {0, 0, 8, static_cast<uint8_t>(sizes.size())};
  for (const uint32_t size : sizes) put_size(bytes, size);
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

// One gzip stream of the bytes.
inline Bytes gzip(const Bytes& bytes) {
  z_stream stream = {};
  constexpr int kGzip = 16;
  if (deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2");
  Bytes packed(deflateBound(&stream, bytes.size()) + 32);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Labels as they are read back: all ten classes come in turn.
inline int grey_label(int64_t i) { return static_cast<int>((i * 3 + 1) % 10); }

// Row y, column x of image number `image`: pixel() of its first channel.
inline uint8_t grey_pixel(int64_t image, int y, int x) { return pixel(image, 0, y, x); }

inline Bytes grey_images(int64_t count, int64_t first) {
  Bytes values;
  for (int64_t i = 0; i < count; ++i) {
    for (int y = 0; y < 28; ++y) {
      for (int x = 0; x < 28; ++x) values.push_back(grey_pixel(first + i, y, x));
    }
  }
  return idx_bytes({static_cast<uint32_t>(count), 28, 28}, values);
}

inline Bytes grey_labels(int64_t count) {
  Bytes values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<uint8_t>(grey_label(i)));
  return idx_bytes({static_cast<uint32_t>(count)}, values);
}

// root/NAME/raw with num_train and num_test images; test image i is number kTest + i. packed: all
// four files in gzip.
inline void write_grey(const std::filesystem::path& root, const std::string& name,
                       int64_t num_train, int64_t num_test, bool packed) {
  const auto write = [&](const std::string& file, const Bytes& bytes) {
    write_file(root / name / "raw" / (file + (packed ? ".gz" : "")), packed ? gzip(bytes) : bytes);
  };
  write("train-images-idx3-ubyte", grey_images(num_train, 0));
  write("train-labels-idx1-ubyte", grey_labels(num_train));
  write("t10k-images-idx3-ubyte", grey_images(num_test, kTest));
  write("t10k-labels-idx1-ubyte", grey_labels(num_test));
}

}  // namespace ipirm::test_sets
