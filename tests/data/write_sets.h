// Writes small, valid data sets with known pixels in each published format, for all tests.
#pragma once

#include <stdlib.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace ipirm::test_sets {

using Bytes = std::vector<uint8_t>;

// A folder of its own under the system's temporary folder, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "ipirm_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw std::runtime_error("cannot make a folder like " + name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Channel c of row y, column x of image number `image`: no two of c, y, x can be exchanged
// unnoticed.
inline uint8_t pixel(int64_t image, int c, int y, int x) {
  return static_cast<uint8_t>(image * 131 + c * 71 + y * 13 + x * 7 + x * y);
}

// Image numbers of a set's parts: image i of the training part is number i, of these parts
// kUnlabeled + i, kTest + i.
constexpr int64_t kUnlabeled = 1000;
constexpr int64_t kTest = 2000;

// Labels as they are read back: image i of train or test, in each format.
inline int stl_label(int64_t i) { return static_cast<int>((i * 3 + 1) % 10); }
inline int cifar10_label(int64_t i) { return static_cast<int>((i * 3 + 2) % 10); }
inline int cifar100_label(int64_t i) { return static_cast<int>((i * 37 + 5) % 100); }

// Makes the folders above the file.
inline void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

inline Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Changes what a file holds; without a change the file goes.
inline void damage_file(const std::filesystem::path& path,
                        const std::function<void(Bytes&)>& change) {
  if (!change) {
    std::filesystem::remove(path);
    return;
  }
  Bytes bytes = read_bytes(path);
  change(bytes);
  write_file(path, bytes);
}

inline void append_planar(Bytes& out, int64_t image, int side, bool column_major) {
  for (int c = 0; c < 3; ++c) {
    for (int a = 0; a < side; ++a) {
      for (int b = 0; b < side; ++b)
        out.push_back(column_major ? pixel(image, c, b, a) : pixel(image, c, a, b));
    }
  }
}

// root/stl10_binary: 96x96, planes column-major, labels 1..10 in files of their own.
inline void write_stl(const std::filesystem::path& root, int64_t train = 20, int64_t unlabeled = 30,
                      int64_t test = 10) {
  const auto folder = root / "stl10_binary";
  const auto images = [&](const char* name, int64_t number, int64_t count) {
    Bytes bytes;
    for (int64_t i = 0; i < count; ++i) append_planar(bytes, number + i, 96, true);
    write_file(folder / name, bytes);
  };
  const auto labels = [&](const char* name, int64_t count) {
    Bytes bytes;
    for (int64_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(stl_label(i) + 1));
    write_file(folder / name, bytes);
  };
  images("train_X.bin", 0, train);
  labels("train_y.bin", train);
  images("unlabeled_X.bin", kUnlabeled, unlabeled);
  images("test_X.bin", kTest, test);
  labels("test_y.bin", test);
}

// root/cifar-10-batches-bin: five training files of `batch` images each, numbered on, and one test
// file.
inline void write_cifar10(const std::filesystem::path& root, int64_t batch = 4, int64_t test = 10) {
  const auto folder = root / "cifar-10-batches-bin";
  const auto records = [&](const std::string& name, int64_t first, int64_t number, int64_t count) {
    Bytes bytes;
    for (int64_t i = first; i < first + count; ++i) {
      bytes.push_back(static_cast<uint8_t>(cifar10_label(i)));
      append_planar(bytes, number + i, 32, false);
    }
    write_file(folder / name, bytes);
  };
  for (int b = 0; b < 5; ++b)
    records("data_batch_" + std::to_string(b + 1) + ".bin", b * batch, 0, batch);
  records("test_batch.bin", 0, kTest, test);
}

// root/cifar-100-binary: coarse and fine label.
inline void write_cifar100(const std::filesystem::path& root, int64_t train = 20,
                           int64_t test = 10) {
  const auto folder = root / "cifar-100-binary";
  const auto records = [&](const char* name, int64_t number, int64_t count) {
    Bytes bytes;
    for (int64_t i = 0; i < count; ++i) {
      bytes.push_back(static_cast<uint8_t>(i % 20));
      bytes.push_back(static_cast<uint8_t>(cifar100_label(i)));
      append_planar(bytes, number + i, 32, false);
    }
    write_file(folder / name, bytes);
  };
  records("train.bin", 0, train);
  records("test.bin", kTest, test);
}

// An image file of height x width pixels, value(c, y, x) with c 0 red; the name's ending chooses
// the format (WebP is written without loss).
inline void write_image(const std::filesystem::path& path, int height, int width,
                        const std::function<uint8_t(int, int, int)>& value) {
  cv::Mat bgr(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x)
      bgr.at<cv::Vec3b>(y, x) = {value(2, y, x), value(1, y, x), value(0, y, x)};
  }
  std::filesystem::create_directories(path.parent_path());
  std::vector<int> parameters;
  if (path.extension() == ".webp") parameters = {cv::IMWRITE_WEBP_QUALITY, 101};
  Bytes bytes;
  if (!cv::imencode(path.extension().string(), bgr, bytes, parameters)) {
    throw std::runtime_error("cannot encode " + path.string());
  }
  write_file(path, bytes);
}

// A picture that JPEG keeps within a few values: slopes that depend on the image's number.
inline uint8_t smooth_pixel(int64_t image, int c, int y, int x) {
  return static_cast<uint8_t>(20 + image * 17 % 60 + c * 20 + y / 2 + x / 3);
}

// root/{train,test}/{apple,bee,cat}: `per_class` images of 96x96 each, alternately PNG with pixel()
// and JPEG with smooth_pixel(); numbered in the order they are read back, test from kTest on.
inline void write_folder(const std::filesystem::path& root, int64_t per_class = 4) {
  const std::array<std::string, 3> classes = {"apple", "bee", "cat"};
  for (const bool test : {false, true}) {
    int64_t number = test ? kTest : 0;
    for (const auto& name : classes) {
      for (int64_t i = 0; i < per_class; ++i, ++number) {
        const bool png = i % 2 == 0;
        std::string stem = std::to_string(i);
        stem.insert(0, 4 - std::min<size_t>(4, stem.size()), '0');
        write_image(root / (test ? "test" : "train") / name / (stem + (png ? ".png" : ".jpg")), 96,
                    96, [&](int c, int y, int x) {
                      return png ? pixel(number, c, y, x) : smooth_pixel(number, c, y, x);
                    });
      }
    }
  }
}

}  // namespace ipirm::test_sets
