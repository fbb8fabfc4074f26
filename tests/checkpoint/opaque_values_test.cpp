// What unknown classes and functions would make in a pickle: named where it is asked for, passed
// over elsewhere, never run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "checkpoint/archive.h"
#include "checkpoint/scratch.h"
#include "ipirm/checkpoint/torch_file.h"

namespace ipirm::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using namespace std::string_literals;

class OpaqueValuesTest : public ScratchTest {
 protected:
  std::filesystem::path path() const { return folder_ / "m.pt"; }
  TorchContent read(const std::string& pickle) const {
    write_bytes(path(), archive({{"data.pkl", pickle}, {"data/0", std::string(16, '\0')}}));
    return read_torch_content(path());
  }
  std::string refusal(const std::string& pickle) const {
    return user_error([&] { read(pickle); });
  }
  // Of a file {"w": a tensor, "x": value}: what is said of x.
  std::string beside(const std::string& value) const {
    const auto content =
        read(pickled::dict({{"w", pickled::tensor(kStorage, 0, {4}, {1})}, {"x", value}}));
    EXPECT_EQ(content.tensors.size(), 1U);
    EXPECT_EQ(content.others.size(), 1U);
    return content.others.empty() ? "" : content.others[0].second;
  }

  const std::string kStorage = pickled::storage("FloatStorage", "0", 4);
  const std::string kSystem = pickled::global("posix", "system") + pickled::text("true") + "\x85R";
};

TEST_F(OpaqueValuesTest, CodeAtTheRootIsRefusedByName) {
  EXPECT_THAT(refusal("\x80\x02" + kSystem + "."),
              AllOf(HasSubstr("holds an object of 'posix.system', expected a dict of tensors"),
                    HasSubstr("nothing in the file was run")));
  EXPECT_THAT(refusal("\x80\x04" + pickled::text("builtins") + pickled::text("eval") + "\x93."),
              HasSubstr("'builtins.eval'"));
  EXPECT_THAT(refusal("\x80\x02" + pickled::global("collections", "OrderedDict") + ")\x81."),
              HasSubstr("an object of 'collections.OrderedDict'"));
  EXPECT_THAT(refusal("\x80\x02" + pickled::global("torch", "FloatStorage") + ")R."),
              HasSubstr("an object of 'torch.FloatStorage'"));
  EXPECT_THAT(refusal("\x80\x02" + pickled::global("a\x1b[2Jb", "c") + "."),
              HasSubstr("'a?[2Jb.c'"));
  EXPECT_THAT(refusal("\x80\x02(iposix\nsystem\n."), HasSubstr("(INST)"));
  EXPECT_THAT(refusal("\x80\x02\x82\x01."), HasSubstr("(EXT1)"));
  EXPECT_THAT(refusal("\x80\x02" + pickled::dict({{"model", kSystem}}).substr(2)),
              HasSubstr("holds no tensors ('model' is an object of 'posix.system')"));
}

TEST_F(OpaqueValuesTest, ObjectsBesideTensorsArePassedOver) {
  const std::string space = pickled::global("argparse", "Namespace");
  EXPECT_EQ(beside(kSystem), "an object of 'posix.system'");
  EXPECT_EQ(beside(space + ")\x81}" + pickled::text("lr") + "K\x01sb"),
            "an object of 'argparse.Namespace'");
  EXPECT_EQ(beside(space + ")}\x92"), "an object of 'argparse.Namespace'");
  EXPECT_EQ(beside("(" + space + "K\x01o"), "an object of 'argparse.Namespace'");
  EXPECT_EQ(beside(pickled::global("collections", "defaultdict") + ")R(K\x01K\x02u"),
            "an object of 'collections.defaultdict'");
  EXPECT_EQ(beside(pickled::global("collections", "deque") + ")R(K\x01K\x02"s + "e"),
            "an object of 'collections.deque'");
  EXPECT_EQ(beside("\x8f(K\x01K\x02\x90"), "an object of 'builtins.set'");
  EXPECT_EQ(beside("(K\x01K\x02\x91"), "an object of 'builtins.frozenset'");
  // A method of what a call gives, called.
  EXPECT_EQ(
      beside(pickled::global("builtins", "getattr") + "(" + space + pickled::text("x") + "tR)R"),
      "an object of 'builtins.getattr'");
  EXPECT_EQ(beside("\x8b\x03\0\0\0abc"s), "an int beyond 64 bits");
  EXPECT_EQ(beside("\x8e\x03\0\0\0\0\0\0\0abc"s), "bytes");
  EXPECT_EQ(beside("\x96\x03\0\0\0\0\0\0\0abc"s), "bytes");
  EXPECT_EQ(beside("K\x01(K\x02K\x03\x31"), "an int");
  EXPECT_EQ(beside("K\x01K\x02\x30"), "an int");
}

// Tensors of kinds that are not read say which.
TEST_F(OpaqueValuesTest, OtherTensorsBearTheNameOfWhatMakesThem) {
  EXPECT_THAT(refusal(pickled::dict(
                  pickled::tensor(pickled::storage("ComplexFloatStorage", "0", 2), 0, {2}, {1}))),
              HasSubstr("'w' is an object of 'torch.ComplexFloatStorage'"));
  EXPECT_EQ(beside(pickled::tensor(pickled::storage("NewStorage", "1", 2), 0, {2}, {1})),
            "an object of 'torch.NewStorage'");
  EXPECT_EQ(beside(pickled::global("torch._utils", "_rebuild_sparse_tensor") + ")R"),
            "an object of 'torch._utils._rebuild_sparse_tensor'");
  EXPECT_EQ(
      beside(pickled::global("torch._utils", "_rebuild_parameter") + "(" + kSystem + "\x89}tR"),
      "an object of 'posix.system'");
  // Their layout is looked at nevertheless.
  EXPECT_THAT(refusal(pickled::dict(
                  pickled::tensor(pickled::storage("ComplexFloatStorage", "0", 2), 0, {3}, {1}))),
              HasSubstr("leaves its storage of 2 elements"));
}

TEST_F(OpaqueValuesTest, TheStateDictIsFoundUnderTheKeysThatProgramsUse) {
  const std::string inner = "}" + pickled::text("w") + pickled::tensor(kStorage, 0, {4}, {1}) + "s";
  for (const std::string key : {"state_dict", "model", "model_state_dict", "net", "network"}) {
    const auto content = read(pickled::dict({{"args", kSystem}, {key, inner}, {"epoch", "K\x05"}}));
    EXPECT_EQ(content.container, key);
    EXPECT_EQ(content.tensors.size(), 1U);
    EXPECT_TRUE(content.others.empty());
  }
  EXPECT_EQ(read(pickled::dict({{"model", "}" + pickled::text("net") + inner + "s"}})).container,
            "model.net");
  // A dict of settings is no state_dict; two that hold tensors are one too many.
  const std::string settings = "}" + pickled::text("arch") + pickled::text("resnet18") + "s";
  EXPECT_EQ(read(pickled::dict({{"model", settings}, {"net", inner}})).container, "net");
  EXPECT_THAT(
      read(pickled::dict({{"model", settings}, {"w", pickled::tensor(kStorage, 0, {4}, {1})}}))
          .others,
      ElementsAre(Pair("model", "a dict")));
  EXPECT_THAT(refusal(pickled::dict({{"model", inner}, {"net", inner}})),
              HasSubstr("holds tensors under 'model' and under 'net', expected one of them"));
  EXPECT_THAT(refusal(pickled::dict({{"weights", inner}})),
              AllOf(HasSubstr("holds no tensors ('weights' is a dict)"),
                    HasSubstr("'model_state_dict', 'net' or 'network'")));
}

// A few bytes that name something large must not copy it again and again.
TEST_F(OpaqueValuesTest, NamesAndListsAreLimited) {
  const std::string name(300, 'n');
  EXPECT_THAT(refusal("\x80\x02" + pickled::global(name, "f") + "."),
              HasSubstr("global's name takes 301 bytes, expected at most 256"));
  EXPECT_THAT(refusal("\x80\x04" + pickled::text("m") + pickled::text(name) + "\x93."),
              HasSubstr("global's name takes 301 bytes"));
  std::string names = "\x80\x02";
  for (int i = 0; i < 5000; ++i) names += pickled::global("m", "f" + std::to_string(i)) + "0";
  EXPECT_THAT(refusal(names + "N."), HasSubstr("more than 4096 different globals"));
  std::string pairs = "\x80\x02" + pickled::global("collections", "OrderedDict") + "q\x01](";
  for (int i = 0; i < 1000; ++i) pairs += "NN\x86";
  pairs += "e\x85q\x02";
  for (int i = 0; i < 3000; ++i) pairs += "h\x01h\x02R0";
  EXPECT_THAT(refusal(pairs + "."), HasSubstr("more than 2097152 pairs in OrderedDicts"));
  // A list of arguments is not copied: 3,000 calls with a million of them each take no time.
  std::string calls =
      "\x80\x02" + pickled::global("m", "f") + "q\x01(" + std::string(1000000, 'N') + "tq\x02";
  for (int i = 0; i < 3000; ++i) calls += "h\x01h\x02R0";
  EXPECT_THAT(refusal(calls + "0."), HasSubstr("holds an object of 'm.f'"));
}

}  // namespace
}  // namespace ipirm::checkpoint
