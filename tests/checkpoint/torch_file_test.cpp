// Torch files: round trips, damage at every kind of place, hostile pickles; and the tool that the
// Python test runs.
#include "ipirm/checkpoint/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <csignal>
#include <cstdlib>
#include <random>

#include "checkpoint/archive.h"
#include "checkpoint/scratch.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::HasSubstr;

class TorchFileTest : public ScratchTest {
 protected:
  std::filesystem::path path() const { return folder_ / "model_5.pt"; }
  StateDict read(const std::string& bytes) const {
    write_bytes(path(), bytes);
    return read_torch_file(path());
  }
  std::string refusal(const std::string& bytes) const {
    const std::string message = user_error([&] { read(bytes); });
    EXPECT_THAT(message, HasSubstr(path().string()));
    return message;
  }
  // The refusal of a file whose pickle is this and whose record data/0 holds 16 bytes.
  std::string pickle_refusal(const std::string& pickle) const {
    return refusal(archive({{"data.pkl", pickle}, {"data/0", std::string(16, '\0')}}));
  }
};

bool identical(const StateDict& a, const StateDict& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) {
    same = a[i].first == b[i].first && checkpoint::identical(a[i].second, b[i].second);
  }
  return same;
}

StateDict small_model() {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Conv2d(3, 8, 3), torch::nn::BatchNorm2d(8),
                              torch::nn::Linear(8, 5));
  return state_dict(*model);
}

std::string written(const std::filesystem::path& path, const StateDict& tensors) {
  write_torch_file(path, tensors);
  return read_bytes(path);
}

TEST_F(TorchFileTest, RoundTripsEveryTypeAndShape) {
  StateDict tensors;
  for (const auto dtype :
       {torch::kFloat32, torch::kFloat64, torch::kFloat16, torch::kBFloat16, torch::kInt64,
        torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    for (const auto& shape :
         std::vector<std::vector<int64_t>>{{}, {0}, {7}, {3, 0, 2}, {4, 5}, {2, 3, 4, 5}}) {
      const auto values = (torch::rand(shape, torch::kFloat64) * 100 - 20).clamp_min(0).to(dtype);
      tensors.emplace_back(core::cat(dtype, at::IntArrayRef(shape)), values);
    }
  }
  write_torch_file(path(), tensors);
  EXPECT_TRUE(identical(read_torch_file(path()), tensors));
}

TEST_F(TorchFileTest, KeepsNaNsAndNonContiguousValuesAndNoGradient) {
  const StateDict tensors = {
      {"nan", torch::full({3}, NAN)},
      {"transposed", torch::arange(12.).view({3, 4}).t()},
      {"slice", torch::arange(10).slice(0, 2, 9, 3)},
      {"expanded", torch::ones({1, 3}).expand({4, 3})},
      {"channels_last", torch::rand({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"parameter", torch::rand({3}).requires_grad_()}};
  write_torch_file(path(), tensors);
  const StateDict read = read_torch_file(path());
  EXPECT_TRUE(identical(read, tensors));
  for (const auto& [name, tensor] : read) EXPECT_FALSE(tensor.requires_grad());
}

TEST_F(TorchFileTest, SameTensorsGiveSameBytes) {
  EXPECT_EQ(written(folder_ / "a.pt", small_model()), written(folder_ / "b.pt", small_model()));
  EXPECT_TRUE(read_torch_file((write_torch_file(path(), {}), path())).empty());
}

TEST_F(TorchFileTest, RefusesTruncationAnywhere) {
  const std::string whole = written(path(), small_model());
  for (size_t i = 0; i < 50; ++i) refusal(whole.substr(0, whole.size() * i / 50));
  for (size_t i = 1; i < 50; ++i) refusal(whole.substr(0, whole.size() - i));
}

// A flip in what carries nothing (time stamps, padding) may pass; any other is refused.
TEST_F(TorchFileTest, FlippedByteNeverPassesAsOtherTensors) {
  const StateDict tensors = small_model();
  const std::string whole = written(path(), tensors);
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string damaged = whole;
    damaged[random() % whole.size()] ^= static_cast<char>(1 << random() % 8);
    try {
      EXPECT_TRUE(identical(read(damaged), tensors));
    } catch (const core::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
}

TEST_F(TorchFileTest, FlippedByteOfARecordIsRefused) {
  const StateDict tensors = {{"w", torch::rand({50})}, {"v", torch::rand({7, 9})}};
  const std::string whole = written(path(), tensors);
  std::vector<std::string> contents = {"ctorch._utils", "little"};
  for (const auto& [name, tensor] : tensors) {
    contents.emplace_back(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
  }
  std::mt19937 random(8);
  for (int i = 0; i < 200; ++i) {
    const std::string& content = contents[i % contents.size()];
    std::string damaged = whole;
    damaged[whole.find(content) + random() % content.size()] ^=
        static_cast<char>(1 << random() % 8);
    EXPECT_THAT(refusal(damaged), HasSubstr("has CRC"));
  }
}

// The archive is sound here, so that the changes reach the unpickler.
TEST_F(TorchFileTest, MutatedPickleIsReadOrRefused) {
  write_torch_file(path(), {{"w", torch::rand({4})}, {"module.v", torch::rand({2, 3})}});
  size_t size = 0;
  caffe2::serialize::PyTorchStreamReader reader(path().string());
  std::tie(std::ignore, size) = reader.getRecord("data.pkl");
  std::string pickle(size, '\0');
  reader.getRecord("data.pkl", pickle.data(), size);
  std::mt19937 random(9);
  int refused = 0;
  constexpr int kRounds = 1000;
  for (int i = 0; i < kRounds; ++i) {
    std::string mutated = pickle;
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      const size_t place = random() % mutated.size();
      switch (random() % 4) {
        case 0:
          mutated[place] = static_cast<char>(random());
          break;
        case 1:
          mutated.erase(place, 1 + random() % 8);
          break;
        case 2:
          mutated.insert(place, mutated.substr(random() % mutated.size(), 1 + random() % 40));
          break;
        default:
          mutated.insert(place, 1, "(.t)Rscu}]Qq\0h\0J\x80\x85\x93\x94"[random() % 20]);
      }
      if (mutated.empty()) mutated = ".";
    }
    try {
      read(archive({{"data.pkl", mutated},
                    {"data/0", std::string(16, '\1')},
                    {"data/1", std::string(24, '\1')}}));
    } catch (const core::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kRounds / 2);
}

TEST_F(TorchFileTest, RefusesBrokenPickles) {
  EXPECT_THAT(pickle_refusal(""), HasSubstr("a pickle needs 1 bytes"));
  EXPECT_THAT(pickle_refusal("}."), HasSubstr("opcode 125"));
  EXPECT_THAT(pickle_refusal("\x80\x01}."), HasSubstr("protocol 1, expected 2 to 5"));
  EXPECT_THAT(pickle_refusal("\x80\x02."), HasSubstr("empty stack"));
  EXPECT_THAT(pickle_refusal("\x80\x02}(s."), HasSubstr("empty stack"));
  EXPECT_THAT(pickle_refusal("\x80\x02t."), HasSubstr("mark that was never set"));
  EXPECT_THAT(pickle_refusal("\x80\x02}(Nu."), HasSubstr("key without a value"));
  EXPECT_THAT(pickle_refusal("\x80\x02](NNu."), HasSubstr("sets items of a list"));
  EXPECT_THAT(pickle_refusal("\x80\x02h\x07."), HasSubstr("memo slot 7"));
  EXPECT_THAT(pickle_refusal("\x80\x02}}."), HasSubstr("left over"));
  EXPECT_THAT(pickle_refusal("\x80\x02}.."), HasSubstr("1 bytes follow"));
  EXPECT_THAT(pickle_refusal("\x80\x02X\xff\xff\xff\xff."),
              HasSubstr("a string needs 4294967295 bytes"));
  EXPECT_THAT(pickle_refusal("\x80\x04\x8d" + std::string(8, '\xff') + "."),
              HasSubstr("a string needs"));
  EXPECT_THAT(pickle_refusal("\x80\x02" + std::string(3 << 20, 'N') + "."),
              HasSubstr("more than 2097152 values"));
  EXPECT_THAT(pickle_refusal("\x80\x02K\x05."), HasSubstr("holds an int, expected a dict"));
  EXPECT_THAT(pickle_refusal(pickled::dict("K\x05")),
              HasSubstr("holds no tensors ('w' is an int)"));
}

TEST_F(TorchFileTest, DeepNestingAndCyclesEndInARefusal) {
  EXPECT_THAT(pickle_refusal("\x80\x02" + std::string(1 << 20, '(') + "."),
              HasSubstr("empty stack"));
  EXPECT_THAT(pickle_refusal("\x80\x02N" + std::string(1 << 20, '\x85') + "."),
              HasSubstr("holds a tuple"));
  EXPECT_THAT(pickle_refusal("\x80\x02}q\x01" + pickled::text("model") + "h\x01s."),
              HasSubstr("levels deep"));
}

TEST_F(TorchFileTest, RefusesTensorsThatLeaveTheirStorage) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  const std::string four = pickled::storage("FloatStorage", "0", 4);
  const auto message = [&](const std::string& tensor) {
    return pickle_refusal(pickled::dict(tensor));
  };
  using pickled::tensor;
  EXPECT_EQ(read(archive({{"data.pkl", pickled::dict(tensor(four, 1, {3}, {1}))},
                          {"data/0", std::string(16, '\0')}}))
                .size(),
            1U);
  EXPECT_THAT(message(tensor(four, 0, {5}, {1})),
              HasSubstr("size [5], strides [1], offset 0 leaves its storage of 4"));
  EXPECT_THAT(message(tensor(four, 2, {3}, {1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 0, {2, 2}, {3, 1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, -1, {2}, {1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 5, {0}, {1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 3, {2}, {-1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 0, {-2}, {1})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, kHuge, {kHuge}, {kHuge})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 0, {kHuge, 8}, {0, 0})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 0, {0, kHuge, 8}, {0, 0, 0})), HasSubstr("leaves"));
  EXPECT_THAT(message(tensor(four, 0, {int64_t{1} << 40}, {0})),
              HasSubstr("repeats a storage of 4"));
  EXPECT_THAT(message(tensor(four, 0, {2, 2}, {1})), HasSubstr("has strides"));
  EXPECT_THAT(message(tensor(four, 0, std::vector<int64_t>(65, 1), {1})),
              HasSubstr("has 65 entries"));
  EXPECT_THAT(message(tensor("N", 0, {2}, {1})), HasSubstr("storage is None, expected a storage"));
}

// Two bytes of pickle for an argument, but 1 KB of sizes and strides for the tensor.
TEST_F(TorchFileTest, LimitsTheSizesOfAllTensorsTogether) {
  const std::vector<int64_t> ones(64, 1);
  std::string pickle = "\x80\x02" + pickled::storage("FloatStorage", "0", 4) + "q\x01" +
                       pickled::tuple(ones) + "q\x02" +
                       "ctorch._utils\n_rebuild_tensor_v2\nq\x03}q\x04";
  for (int i = 0; i < 40000; ++i) pickle += "h\x03(h\x01K\x01h\x02h\x02\x89h\x04tR";
  EXPECT_THAT(pickle_refusal(pickle + "."), HasSubstr("more than 2097152 sizes of tensors"));
}

TEST_F(TorchFileTest, RefusesStoragesThatDoNotMatchTheirRecords) {
  const auto message = [&](const std::string& type, const std::string& key, int64_t numel) {
    return pickle_refusal(
        pickled::dict(pickled::tensor(pickled::storage(type, key, numel), 0, {1}, {1})));
  };
  EXPECT_THAT(message("FloatStorage", "0", 5), HasSubstr("holds 16 bytes, expected 20"));
  EXPECT_THAT(message("HalfStorage", "0", 4), HasSubstr("holds 16 bytes, expected 8"));
  EXPECT_THAT(message("FloatStorage", "1", 4), HasSubstr("no record 'archive/data/1'"));
  EXPECT_THAT(message("FloatStorage", "0", int64_t{1} << 62), HasSubstr("elements"));
  EXPECT_THAT(message("FloatStorage", "0", -4), HasSubstr("storage of -4 elements"));
  EXPECT_THAT(message("ComplexFloatStorage", "0", 2), HasSubstr("'torch.ComplexFloatStorage'"));
  EXPECT_THAT(message("ComplexFloatStorage", "0", 3), HasSubstr("holds 16 bytes, expected 24"));
  EXPECT_THAT(message("FloatStorage", std::string(257, 'k'), 4), HasSubstr("key takes 257 bytes"));
  const std::string twice =
      pickled::storage("FloatStorage", "0", 4) + pickled::storage("IntStorage", "0", 4) + "\x86.";
  EXPECT_THAT(pickle_refusal("\x80\x02" + twice), HasSubstr("of FloatStorage before"));
  const std::string flag =
      pickled::dict(pickled::tensor(pickled::storage("BoolStorage", "0", 1), 0, {1}, {1}));
  EXPECT_THAT(refusal(archive({{"data.pkl", flag}, {"data/0", "\x03"}})),
              HasSubstr("neither 0 nor 1"));
}

TEST_F(TorchFileTest, RefusesOtherContainers) {
  EXPECT_THAT(refusal(""), HasSubstr("expected a file written by torch.save"));
  EXPECT_THAT(refusal("hello"), HasSubstr("expected a file written by torch.save"));
  EXPECT_THAT(refusal(archive({{"weights", "abc"}})), HasSubstr("without a data.pkl"));
  EXPECT_THAT(refusal(archive({{"data.pkl", "\x80\x02}."}, {"byteorder", "big"}})),
              HasSubstr("byte order 'big'"));
  EXPECT_THAT(refusal(archive({{"data.pkl", "\x80\x02}."}, {"long", std::string(5000, 'a')}},
                              /*compress=*/true)),
              HasSubstr("is compressed"));
  EXPECT_THAT(refusal(archive({{"data.pkl", std::string((32 << 20) + 1, 'N')}})),
              HasSubstr("more than the 33554432"));
  EXPECT_THAT(user_error([&] { read_torch_file(folder_ / "none.pt"); }), HasSubstr("none.pt"));
}

// The directory's entry of a record is changed to claim more than there is.
TEST_F(TorchFileTest, RefusesArchivesThatLie) {
  const std::string whole =
      archive({{"data.pkl", "\x80\x02}."}, {"aa", std::string(64, 'x')}, {"bb", "y"}});
  const size_t a = whole.rfind("archive/aa") - 46, b = whole.rfind("archive/bb") - 46;
  const auto changed = [&](size_t place, const std::string& bytes) {
    return std::string(whole).replace(place, bytes.size(), bytes);
  };
  EXPECT_THAT(refusal(changed(a + 20, std::string("\xf0\xff\xff\x7f\xf0\xff\xff\x7f", 8))),
              HasSubstr("the record needs"));
  EXPECT_THAT(refusal(changed(a + 24, std::string("\xf0\xff\xff\x7f", 4))),
              HasSubstr("compressed"));
  EXPECT_THAT(refusal(changed(a + 8, "\x01")), HasSubstr("encrypted"));
  EXPECT_THAT(refusal(changed(b + 42, std::string("\xff\xff\xff\x7f", 4))),
              HasSubstr("behind the records' end"));
  EXPECT_THAT(refusal(changed(b + 42, whole.substr(a + 42, 4))),
              HasSubstr("its own header names it 'archive/aa'"));
  EXPECT_THAT(refusal(changed(b, "QK")), HasSubstr("an entry"));
  EXPECT_THAT(refusal(changed(whole.size() - 2, "\x01")), HasSubstr("comment"));
}

TEST_F(TorchFileTest, FailedWriteKeepsTheOldFile) {
  const std::string old = written(path(), small_model());
  EXPECT_THAT(user_error([&] { write_torch_file(folder_ / "no" / "a.pt", small_model()); }),
              HasSubstr("a.pt"));

  struct rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {1 << 16, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = user_error([&] {
    write_torch_file(path(), {{"w", torch::zeros({1 << 20})}});
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("cannot write"));
  EXPECT_EQ(read_bytes(path()), old);
}

TEST_F(TorchFileTest, RefusesToWriteWhatHasNoName) {
  EXPECT_THROW(write_torch_file(path(), {{"a", torch::zeros({1})}, {"a", torch::zeros({1})}}),
               c10::Error);
  EXPECT_THROW(write_torch_file(path(), {{"a", torch::Tensor()}}), c10::Error);
  EXPECT_THROW(write_torch_file(path(), {{"a", torch::zeros({1}, torch::kComplexFloat)}}),
               c10::Error);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

// Run by tests/scripts/torch_file_test.py: reads every .pt of the folder IPIRM_TORCH_FILE_IN and
// writes it again under its name into the folder IPIRM_TORCH_FILE_OUT; what is refused leaves its
// message there as NAME.refused.
TEST(TorchFileTool, Convert) {
  const char* in = std::getenv("IPIRM_TORCH_FILE_IN");
  const char* out = std::getenv("IPIRM_TORCH_FILE_OUT");
  if (in == nullptr || out == nullptr)
    GTEST_SKIP() << "runs only with IPIRM_TORCH_FILE_IN and IPIRM_TORCH_FILE_OUT set";
  for (const auto& entry : std::filesystem::directory_iterator(in)) {
    const auto target = std::filesystem::path(out) / entry.path().filename();
    try {
      write_torch_file(target, read_torch_file(entry.path()));
    } catch (const core::UserError& error) {
      write_bytes(target.string() + ".refused", error.what());
    }
  }
}

}  // namespace
}  // namespace ipirm::checkpoint
