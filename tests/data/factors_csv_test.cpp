// Factors of a folder's images from a table: how values are numbered, which table is refused.
#include "data/factors_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/write_sets.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"
#include "support/user_error.h"

namespace ipirm::data {
namespace {

namespace fs = std::filesystem;
using namespace test_sets;
using ::testing::HasSubstr;

// train/{a,b}/{0,1}.png and test/{a,b}/0.png, and a table of them.
class FactorsCsv : public ::testing::Test {
 protected:
  FactorsCsv() {
    core::set_log_level(core::LogLevel::kInfo);
    for (const char* name : kNames)
      write_image(folder_.path() / name, 8, 8, [](int, int, int) { return 9; });
  }

  void write(const std::string& text) const { write_file(csv(), Bytes(text.begin(), text.end())); }
  fs::path csv() const { return folder_.path() / "factors.csv"; }
  DataSets open() const {
    return open_data_sets({.dataset = DataSetKind::kFolder,
                           .root = folder_.path().string(),
                           .image_size = 8,
                           .factors_csv = csv().string()});
  }
  // A row for each image with the value that stands at its place.
  static std::string rows(const std::vector<std::string>& values) {
    std::string text;
    for (size_t i = 0; i < values.size(); ++i) text += kNames[i] + ("," + values[i]) + "\n";
    return text;
  }
  std::string refusal(const std::string& text) const {
    write(text);
    return test::user_error([&] { open(); });
  }

  static constexpr const char* kNames[] = {"train/a/0.png", "train/a/1.png", "train/b/0.png",
                                           "train/b/1.png", "test/a/0.png",  "test/b/0.png"};
  TempFolder folder_;
};

TEST_F(FactorsCsv, AddsAFactorForEachColumn) {
  // In another order than the set's; the columns of samples.csv are passed over.
  write(
      "index,path,label,class,hue,light\n0,train/b/1.png,7,b,red,10\n,test/b/0.png,,,green,9\n"
      "9,test/a/0.png,x,,blue,-1\n,train/a/0.png,,,green,010\n,train/a/1.png,,,\"red\",9\n"
      ",train/b/0.png,,,green,2\n");
  ::testing::internal::CaptureStdout();
  const auto sets = open();
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              HasSubstr("factors.csv: factors hue (3 values), light (4 values)\n"));
  EXPECT_EQ(sets.labelled, sets.train);
  for (const auto& set : {sets.train, sets.test}) {
    ASSERT_EQ(set->factors().size(), 3u);
    EXPECT_EQ(set->factors()[0].name, "label");
    EXPECT_EQ(set->factors()[1].name, "hue");
    EXPECT_EQ(set->factors()[1].num_values, 3);
    EXPECT_EQ(set->factors()[1].value_names, (std::vector<std::string>{"blue", "green", "red"}));
    EXPECT_EQ(set->factors()[2].name, "light");
    EXPECT_EQ(set->factors()[2].num_values, 4);
    EXPECT_EQ(set->factors()[2].value_names, (std::vector<std::string>{"-1", "2", "9", "10"}));
  }
  using Values = std::vector<int64_t>;
  EXPECT_EQ(sets.train->factors()[0].values, (Values{0, 0, 1, 1}));
  EXPECT_EQ(sets.train->factors()[1].values, (Values{1, 2, 1, 2}));
  EXPECT_EQ(sets.test->factors()[1].values, (Values{0, 1}));
  EXPECT_EQ(sets.train->factors()[2].values, (Values{3, 2, 1, 3}));
  EXPECT_EQ(sets.test->factors()[2].values, (Values{0, 2}));
}

TEST_F(FactorsCsv, ValuesThatAreNotAllNumbersGoByTheirBytes) {
  write("path,v\n" + rows({"10", "9", "1.5", "10", "9", "9"}));
  EXPECT_EQ(open().train->factors()[1].value_names, (std::vector<std::string>{"1.5", "10", "9"}));
}

TEST_F(FactorsCsv, RowsOfOtherImagesAreLeftOutAndSaid) {
  write("path,v\nsomething/else.png,huge\n" + rows({"1", "2", "1", "2", "1", "2"}) +
        "train/a/2.png,\n");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(open().train->factors()[1].num_values, 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("factors.csv:2: 'something/else.png' is no image of the set; 2 rows are"));
}

TEST_F(FactorsCsv, RefusalsNameFileLineAndWhatWasFound) {
  EXPECT_THAT(refusal("file,v\n"), HasSubstr("factors.csv:1: found no column 'path' (the first is "
                                             "'file')"));
  EXPECT_THAT(refusal("index,path,label,class\n"), HasSubstr(":1: found no factor"));
  EXPECT_THAT(refusal("path,v\n" + rows({"1", "2", "1", "2", "1", "2"}) + "test/a/0.png,1\n"),
              HasSubstr(":8: found 'test/a/0.png' again, which is in line 6"));
  EXPECT_THAT(refusal("path,v\n" + rows({"1", "2", "1"})),
              HasSubstr(":4: found no row for 1 of the 4 training images up to this last one "
                        "(first: 'train/b/1.png')"));
  EXPECT_THAT(refusal("path,\"a\nb\"\n"), HasSubstr(":1: found a control character in the name of "
                                                    "column 'a?b'"));
  // A run's samples.csv lists the training images alone.
  EXPECT_THAT(refusal("path,v\n" + rows({"1", "2", "1", "2"})),
              HasSubstr(":5: found no row for 2 of the 2 test images"));
  EXPECT_THAT(refusal("path,v\n" + rows({"1", "2", "", "2", "1", "2"})),
              HasSubstr(":4: found nothing in column 'v'"));
  fs::remove(csv());
  EXPECT_THROW(open(), core::UserError);
}

TEST_F(FactorsCsv, AColumnOfTooManyValuesIsNoFactor) {
  // Every image another value: as many images as there may be values, and one.
  std::string text = "path,id\n";
  PartNames part{"training", {}};
  for (size_t i = 0; i <= kMostFactorValues; ++i) {
    part.names.push_back(core::cat("train/", i, ".png"));
    text += core::cat(part.names.back(), ",", i, "\n");
  }
  write(text);
  try {
    read_factors_csv(csv(), {part});
    ADD_FAILURE() << "not refused";
  } catch (const core::UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(":10002: found the 10001th different value in column "
                                        "'id'"));
  }
  part.names.pop_back();
  EXPECT_EQ(read_factors_csv(csv(), {part})[0][0].num_values, 10000);
}

TEST_F(FactorsCsv, OtherSetsTakeNoTable) {
  for (const auto kind : {DataSetKind::kColoredDigits, DataSetKind::kStl, DataSetKind::kCifar10,
                          DataSetKind::kCifar100}) {
    try {
      open_data_sets(
          {.dataset = kind, .root = folder_.path().string(), .factors_csv = "factors.csv"});
      ADD_FAILURE() << core::name_of(kind);
    } catch (const core::UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("--factors_csv factors.csv: is for --dataset Folder"));
    }
  }
}

}  // namespace
}  // namespace ipirm::data
