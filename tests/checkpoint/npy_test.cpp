// .npy files: against numpy's own bytes, round trips, and every way a header can be wrong.
#include "ipirm/checkpoint/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <tuple>

#include "checkpoint/scratch.h"
#include "ipirm/core/files.h"
#include "support/golden.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::HasSubstr;

using NpyTest = ScratchTest;

std::string npy(std::string header, const std::string& elements, char major = 1) {
  std::string size = {static_cast<char>(header.size() & 0xff),
                      static_cast<char>(header.size() >> 8)};
  if (major > 1) size += std::string(2, '\0');
  return "\x93NUMPY" + std::string{major, '\0'} + size + header + elements;
}

TEST_F(NpyTest, WritesTheBytesOfNumpySave) {
  write_npy(folder_ / "a.npy", torch::tensor({{1.5F, -2.F}, {0.F, 3.F}}));
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  const std::string elements("\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00@@", 16);
  EXPECT_EQ(read_bytes(folder_ / "a.npy"), npy(header + std::string(58, ' ') + "\n", elements));
}

TEST_F(NpyTest, ReadsEveryGoldenArray) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("tests/golden")) {
    if (entry.path().extension() != ".npy") continue;
    const auto expected =
        testing::golden(entry.path().parent_path().filename(), entry.path().stem());
    EXPECT_TRUE(identical(read_npy(entry.path()), expected)) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 20);
}

TEST_F(NpyTest, RoundTripsEveryTypeAndShape) {
  for (const auto dtype :
       {torch::kFloat16, torch::kFloat32, torch::kFloat64, torch::kInt8, torch::kInt16,
        torch::kInt32, torch::kInt64, torch::kUInt8, torch::kBool}) {
    for (const auto& shape :
         std::vector<std::vector<int64_t>>{{}, {0}, {7}, {3, 0, 2}, {4, 5}, {2, 3, 4, 5}}) {
      const auto array = (torch::rand(shape, torch::kFloat64) * 100 - 20).clamp_min(0).to(dtype);
      write_npy(folder_ / "a.npy", array);
      EXPECT_TRUE(identical(read_npy(folder_ / "a.npy"), array)) << dtype << array.sizes();
      EXPECT_EQ(read_bytes(folder_ / "a.npy").size() % 64, array.nbytes() % 64);
    }
  }
}

TEST_F(NpyTest, WritesNonContiguousArraysInCOrder) {
  const auto array = torch::arange(12).view({3, 4}).t();
  write_npy(folder_ / "a.npy", array);
  EXPECT_TRUE(identical(read_npy(folder_ / "a.npy"), array));
}

TEST_F(NpyTest, ReadsFortranOrderAsCOrder) {
  write_bytes(folder_ / "a.npy", npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n",
                                     "\x01\x02\x03\x04\x05\x06"));
  const auto array = read_npy(folder_ / "a.npy");
  EXPECT_TRUE(array.is_contiguous());
  EXPECT_TRUE(identical(array, torch::tensor({{1, 3, 5}, {2, 4, 6}}, torch::kUInt8)));
}

TEST_F(NpyTest, ReadsVersions2And3AndAnyOrderOfKeys) {
  for (const char major : {'\x02', '\x03'}) {
    write_bytes(folder_ / "a.npy", npy("{\"shape\":(2,),'fortran_order':False,'descr':'<i2'}",
                                       std::string("\x05\x00\xff\xff", 4), major));
    EXPECT_TRUE(identical(read_npy(folder_ / "a.npy"), torch::tensor({5, -1}, torch::kInt16)));
  }
}

// Header, elements, and a part of the message.
using Malformed = std::tuple<std::string, std::string, std::string>;
class NpyMalformedTest : public ScratchTest, public ::testing::WithParamInterface<Malformed> {};

TEST_P(NpyMalformedTest, IsRefused) {
  const auto& [header, elements, message] = GetParam();
  const auto path = folder_ / "bad.npy";
  write_bytes(path, npy(header, elements));
  const std::string error = user_error([&] { read_npy(path); });
  EXPECT_THAT(error, HasSubstr(path.string()));
  EXPECT_THAT(error, HasSubstr(message));
}

INSTANTIATE_TEST_SUITE_P(
    Header, NpyMalformedTest,
    ::testing::Values(
        Malformed{"", "", "expected '{'"}, Malformed{"{", "", "expected a string"},
        Malformed{"{}", "", "no 'descr'"},
        Malformed{"{'descr': '<f4', 'shape': (1,)}", "1234", "no 'fortran_order'"},
        Malformed{"{'descr': '<f4', 'fortran_order': False}", "1234", "no 'shape'"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "1234",
                  "once"},
        Malformed{"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "1234",
                  "once"},
        Malformed{"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "1234", "expected ','"},
        Malformed{"{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}", "1234", "expected ':'"},
        Malformed{"{'descr': '<f4, }", "1234", "closing quote"},
        Malformed{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234",
                  "structured"},
        Malformed{"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "1234",
                  "'>f4', expected one of <f4"},
        Malformed{"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "1234", "'|O'"},
        Malformed{"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "12345678", "'<c8'"},
        Malformed{"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "1234", "True or False"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': 1}", "1234", "expected '('"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", "1234", "expected ','"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}", "1234",
                  "expected ','"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "1234", "a size"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}", "1234",
                  "expected ','"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
                  "1234", "a size"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}",
                  "1234", "of elements"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,)}", "1234",
                  "of elements"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807, 2)}",
                  "", "of elements"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234",
                  "4 bytes of elements"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "12345",
                  "5 bytes of elements"},
        Malformed{"{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", "\x02",
                  "neither 0 nor 1"},
        Malformed{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "1234",
                  "expected the end"}));

TEST_F(NpyTest, RefusesWhatIsNoNpyFile) {
  const auto path = folder_ / "bad.npy";
  const std::string good =
      npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", "abc");
  const auto message = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return user_error([&] { read_npy(path); });
  };
  EXPECT_THAT(message("PK\x03\x04 some zip"), HasSubstr("magic number"));
  EXPECT_THAT(message(std::string(good).replace(6, 1, "\x04")), HasSubstr("version 4.0"));
  EXPECT_THAT(message(std::string(good).replace(7, 1, "\x01")), HasSubstr("version 1.1"));
  EXPECT_THAT(message(npy("", "", 2).replace(8, 4, "\xff\xff\xff\xff")),
              HasSubstr("at most 65536"));
  EXPECT_THAT(user_error([&] { read_npy(folder_ / "none.npy"); }), HasSubstr("none.npy"));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(message(good.substr(0, size)), HasSubstr("bad.npy"));
  }
}

TEST_F(NpyTest, WritesBlocksAsTheWhole) {
  const auto array = torch::arange(30, torch::kFloat32).reshape({10, 3});
  write_npy(folder_ / "whole.npy", array);
  const auto in_blocks = [&](int64_t rows) {
    write_npy(folder_ / "blocks.npy", {10, 3}, torch::kFloat32, [&](const AppendBlock& append) {
      for (int64_t i = 0; i < rows; i += 4) append(array.slice(0, i, std::min(i + 4, rows)));
    });
  };
  in_blocks(10);
  EXPECT_EQ(core::read_file(folder_ / "blocks.npy", 10000),
            core::read_file(folder_ / "whole.npy", 10000));
  // A block that is not of the array's type, fewer elements, and what `fill` throws: no file.
  std::filesystem::remove(folder_ / "blocks.npy");
  EXPECT_THROW(in_blocks(9), c10::Error);
  const auto fill_with = [&](const std::function<void(const AppendBlock&)>& fill) {
    write_npy(folder_ / "blocks.npy", {1}, torch::kFloat32, fill);
  };
  EXPECT_THROW(fill_with([](const auto& append) { append(torch::ones({1}, torch::kFloat64)); }),
               c10::Error);
  EXPECT_THROW(fill_with([](const auto&) { throw 3; }), int);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "blocks.npy"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "blocks.npy.tmp"));
}

TEST_F(NpyTest, RefusesToWriteWhatNumpyHasNot) {
  EXPECT_THROW(write_npy(folder_ / "a.npy", torch::zeros({2}, torch::kBFloat16)), c10::Error);
  EXPECT_THROW(write_npy(folder_ / "a.npy", torch::Tensor()), c10::Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.npy"));
}

}  // namespace
}  // namespace ipirm::checkpoint
