// The format before PyTorch 1.6: what is read, and files that are cut, too long, or lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "checkpoint/archive.h"
#include "checkpoint/scratch.h"
#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {
namespace {

using pickled::global;
using pickled::legacy_storage;
using pickled::tensor;
using pickled::text;
using ::testing::HasSubstr;

std::string bytes_of(const torch::Tensor& values) {
  return {static_cast<const char*>(values.const_data_ptr()), values.nbytes()};
}

class LegacyTorchFileTest : public ScratchTest {
 protected:
  std::filesystem::path path() const { return folder_ / "m.pth"; }
  TorchContent read(const std::string& bytes) const {
    write_bytes(path(), bytes);
    return read_torch_content(path());
  }
  std::string refusal(const std::string& bytes) const {
    const std::string message = user_error([&] { read(bytes); });
    EXPECT_THAT(message, HasSubstr(path().string() + ": "));
    return message;
  }
  // {"w": 2x3 of storage a, "v": 4 of storage b}, listed as b, a.
  LegacyFile two_storages() const {
    LegacyFile file;
    file.object =
        pickled::dict({{"w", tensor(legacy_storage("FloatStorage", "a", 8), 1, {2, 3}, {3, 1})},
                       {"v", tensor(legacy_storage("LongStorage", "b", 4), 0, {4}, {1})}});
    file.add("b", 4, bytes_of(numbers_));
    file.add("a", 8, bytes_of(values_));
    return file;
  }

  const torch::Tensor values_ = torch::arange(8.), numbers_ = torch::arange(4) * 1000;
};

TEST_F(LegacyTorchFileTest, ReadsStoragesInTheirOwnOrder) {
  const auto tensors = read(two_storages().bytes()).tensors;
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].first, "w");
  EXPECT_TRUE(identical(tensors[0].second, values_.slice(0, 1, 7).view({2, 3})));
  EXPECT_TRUE(identical(tensors[1].second, numbers_));
}

TEST_F(LegacyTorchFileTest, StoragesThatAreNotReadArePassedOver) {
  LegacyFile file;
  file.object =
      pickled::dict({{"c", tensor(legacy_storage("ComplexDoubleStorage", "c", 2), 0, {2}, {1})},
                     {"u", legacy_storage("UntypedStorage", "u", 3)},
                     {"w", tensor(legacy_storage("FloatStorage", "a", 8), 0, {8}, {1})}});
  file.add("c", 2, std::string(32, 'c'));
  file.add("u", 3, "uuu");
  file.add("a", 8, bytes_of(values_));
  const auto content = read(file.bytes());
  ASSERT_EQ(content.tensors.size(), 1U);
  EXPECT_TRUE(identical(content.tensors[0].second, values_));
  EXPECT_EQ(content.others[0].second, "an object of 'torch.ComplexDoubleStorage'");
}

// Views of storages, tensors without hooks, Parameters of that time; Python 2's OrderedDict.
TEST_F(LegacyTorchFileTest, ReadsWhatPyTorchWroteBefore04) {
  const std::string view = "(" + text("part") + "K\x02K\x04t";
  const std::string part = legacy_storage("FloatStorage", "a", 8, view);
  const auto old_tensor = [](const std::string& storage, const std::vector<int64_t>& size) {
    return global("torch._utils", "_rebuild_tensor") + "(" + storage + "K\x01" +
           pickled::tuple(size) + pickled::tuple({1}) + "tR";
  };
  const std::string parameter = global("torch.nn.parameter", "Parameter") + old_tensor(part, {3}) +
                                "\x85R" + "(\x88\x89" + global("collections", "OrderedDict") +
                                ")Rtb";
  const auto pair = [](const std::string& name, const std::string& value) {
    return "](" + text(name) + value + "e";
  };
  LegacyFile file;
  file.object = "\x80\x02" + global("collections", "OrderedDict") + "](" + pair("p", parameter) +
                pair("w", old_tensor(legacy_storage("FloatStorage", "a", 8), {7})) + "e\x85R}b.";
  file.add("a", 8, bytes_of(values_));
  const auto tensors = read(file.bytes()).tensors;
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_TRUE(identical(tensors[0].second, values_.slice(0, 3, 6)));
  EXPECT_TRUE(identical(tensors[1].second, values_.slice(0, 1)));
  EXPECT_EQ(tensors[0].second.storage().data_ptr(), tensors[1].second.storage().data_ptr());

  file.object = pickled::dict(old_tensor(part, {4}));
  EXPECT_THAT(refusal(file.bytes()), HasSubstr("leaves its storage of 4 elements"));
  file.object = pickled::dict(
      old_tensor(legacy_storage("FloatStorage", "a", 8, "(" + text("part") + "K\x06K\x04t"), {1}));
  EXPECT_THAT(refusal(file.bytes()), HasSubstr("view of 4 elements at 6 leaves its storage of 8"));
}

// A network that was saved whole has its class as an id, with its source.
TEST_F(LegacyTorchFileTest, AWholeNetworkIsRefusedByItsClass) {
  LegacyFile file;
  file.object = "\x80\x02(" + text("module") + global("my.models", "Net") + text("models.py") +
                text("class Net: ...") + "tQ)\x81}b.";
  EXPECT_THAT(refusal(file.bytes()), HasSubstr("holds an object of 'my.models.Net', expected"));
}

// There is no checksum: what is missing must show in the sizes.
TEST_F(LegacyTorchFileTest, RefusesTruncationAtEveryByteAndBytesAfterTheEnd) {
  const std::string whole = two_storages().bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    refusal(whole.substr(0, size));
  }
  EXPECT_THAT(refusal(whole.substr(0, whole.size() - 1)),
              HasSubstr("storage 'a' needs 32 bytes, but 31 are left"));
  EXPECT_THAT(refusal(whole + "x"), HasSubstr("1 bytes follow the last storage"));
}

TEST_F(LegacyTorchFileTest, RefusesOtherHeaders) {
  const auto with = [&](std::string LegacyFile::*part, const std::string& value) {
    LegacyFile file = two_storages();
    file.*part = value;
    return refusal(file.bytes());
  };
  EXPECT_THAT(with(&LegacyFile::magic, "\x80\x02K\x05."),
              HasSubstr("a pickle that begins with an int, expected the magic number"));
  EXPECT_THAT(with(&LegacyFile::magic, "\x80\x02" + global("posix", "system") + ")R."),
              HasSubstr("begins with an object of 'posix.system'"));
  EXPECT_THAT(with(&LegacyFile::magic, two_storages().magic.replace(6, 1, "\x01")),
              HasSubstr("magic number"));
  EXPECT_THAT(with(&LegacyFile::protocol, "\x80\x02M\xea\x03."),
              HasSubstr("has protocol 1002 (an int), expected 1001"));
  EXPECT_THAT(with(&LegacyFile::system, "\x80\x02}" + text("little_endian") + "\x89s."),
              HasSubstr("big-endian"));
  EXPECT_THAT(with(&LegacyFile::system, "\x80\x02}."), HasSubstr("does not say its byte order"));
  EXPECT_THAT(with(&LegacyFile::object, "\x80\x02" + global("posix", "system") + ")R."),
              HasSubstr("lists a storage 'b'"));
  // The tar format that came first, whose magic lies at byte 257.
  EXPECT_THAT(refusal("sys_info" + std::string(249, '\0') + "ustar" + std::string(250, '\0')),
              HasSubstr("tar archive, the format of PyTorch before 0.1.10"));
}

TEST_F(LegacyTorchFileTest, RefusesStoragesThatLie) {
  const auto with = [&](const std::function<void(LegacyFile&)>& change) {
    LegacyFile file = two_storages();
    change(file);
    return refusal(file.bytes());
  };
  EXPECT_THAT(with([](LegacyFile& f) { f.storages.pop_back(); }),
              HasSubstr("does not list storage 'a'"));
  EXPECT_THAT(with([](LegacyFile& f) { f.storages[1].first = "b"; }),
              HasSubstr("lists a storage 'b' (a string) twice"));
  EXPECT_THAT(with([](LegacyFile& f) { f.add("z", 0, ""); }), HasSubstr("lists a storage 'z'"));
  for (const int64_t numel : {int64_t{3}, int64_t{-1}, int64_t{1} << 62}) {
    EXPECT_THAT(with([&](LegacyFile& f) {
                  f.storages[0].second.replace(0, 8,
                                               pickled::little(static_cast<uint64_t>(numel), 8));
                }),
                HasSubstr(core::cat("that it holds ", numel, " elements, expected 4")));
  }
  // A size that the file does not have is refused before memory is taken for it.
  LegacyFile huge;
  const int64_t numel = int64_t{1} << 50;
  huge.object = pickled::dict(tensor(legacy_storage("DoubleStorage", "a", numel), 0, {1}, {1}));
  huge.add("a", numel, "");
  EXPECT_THAT(refusal(huge.bytes()), HasSubstr("needs 9007199254740992 bytes, but 0 are left"));
  LegacyFile flag;
  flag.object = pickled::dict(tensor(legacy_storage("BoolStorage", "a", 1), 0, {1}, {1}));
  flag.add("a", 1, "\x02");
  EXPECT_THAT(refusal(flag.bytes()), HasSubstr("storage 'a' holds bools that are neither 0 nor 1"));
}

TEST_F(LegacyTorchFileTest, ThePickleHasItsLimit) {
  LegacyFile file;
  file.object = "\x80\x02X" + pickled::little(33 << 20, 4) + std::string(33 << 20, 'x') + ".";
  EXPECT_THAT(refusal(file.bytes()), HasSubstr("object at byte 45 (at most 33554432 bytes)"));
}

}  // namespace
}  // namespace ipirm::checkpoint
