// Tables of comma-separated values: what is read, what is refused with its line, what is quoted.
#include "ipirm/core/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "ipirm/core/error.h"
#include "support/user_error.h"

namespace ipirm::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Fields = std::vector<std::string>;

class Csv : public ::testing::Test {
 protected:
  ~Csv() override { std::filesystem::remove(path_); }
  CsvTable read(const std::string& text, uint64_t max_bytes = 1000) const {
    std::ofstream(path_, std::ios::binary) << text;
    return read_csv(path_, max_bytes);
  }
  std::string refusal(const std::string& text, uint64_t max_bytes = 1000) const {
    return test::user_error([&] { read(text, max_bytes); });
  }
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / cat("ipirm_csv_", ::getpid(), ".csv");
};

TEST_F(Csv, ReadsPlainAndQuotedFieldsAndCountsLines) {
  const auto table =
      read("\xef\xbb\xbfpath,\"hue, of 10\",x\r\n\r\na,1,\n\"b\n\"\"c\"\"\",,\"\"\nd,\"2\",3");
  EXPECT_EQ(table.columns, (Fields{"path", "hue, of 10", "x"}));
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.rows[0].fields, (Fields{"a", "1", ""}));
  EXPECT_EQ(table.rows[1].fields, (Fields{"b\n\"c\"", "", ""}));
  EXPECT_EQ(table.rows[2].fields, (Fields{"d", "2", "3"}));
  EXPECT_EQ(table.rows[0].line, 3);
  EXPECT_EQ(table.rows[1].line, 4);
  EXPECT_EQ(table.rows[2].line, 6);
}

TEST_F(Csv, EveryFieldComesBack) {
  for (const std::string field : {"", "a", "a,b", "\"", "say \"hi\"", "two\nlines", "cr\r", "\r\n",
                                  " spaces ", ",\",\n\","}) {
    const auto table = read("x,y\n" + csv_field(field) + "," + csv_field(field) + "\n");
    ASSERT_EQ(table.rows.size(), 1u);
    EXPECT_THAT(table.rows[0].fields, ElementsAre(field, field));
  }
  EXPECT_EQ(csv_field("plain text"), "plain text");
}

TEST_F(Csv, RefusalsNameTheLine) {
  EXPECT_THAT(refusal(""), HasSubstr(path_.string() + ":1: found no line"));
  EXPECT_THAT(refusal("\n\n"), HasSubstr(":1: found no line"));
  EXPECT_THAT(refusal("a,b,a\n"), HasSubstr(":1: found two columns 'a'"));
  EXPECT_THAT(refusal("\"a\n\",b,\"a\n\"\n"), HasSubstr(":1: found two columns 'a?'"));
  EXPECT_THAT(refusal("\na,,b\n"), HasSubstr(":2: found no name for column 2"));
  EXPECT_THAT(refusal("a,b\n1,2\n1,2,3\n"), HasSubstr(":3: found 3 fields, expected 2"));
  EXPECT_THAT(refusal("a,b\n\"1\n1\",2\n1\n"), HasSubstr(":4: found 1 fields, expected 2"));
  EXPECT_THAT(refusal("a\nx\"y\n"), HasSubstr(":2: found a quote inside 'x\"y'"));
  EXPECT_THAT(refusal("a\n\"x\"y\n"), HasSubstr(":2: found 'y' behind the quotes of field 1"));
  EXPECT_THAT(refusal("a\n1\n\"x\n\n\n"), HasSubstr(":3: found a quote that is never closed"));
  EXPECT_NE(refusal("a\n" + std::string(100, '1'), 50), "");
}

}  // namespace
}  // namespace ipirm::core
