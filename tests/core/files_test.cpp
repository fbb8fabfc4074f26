// File helpers: limits, atomic writes that leave the old content on failure, line files, locks; and
// small texts.
#include "ipirm/core/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::core {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / cat("ipirm_files_", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // The message of the UserError that f throws.
  template <class F>
  std::string message_of(F f) {
    try {
      f();
    } catch (const UserError& error) {
      return error.what();
    }
    return "nothing was thrown";
  }

  fs::path folder_;
};

TEST_F(Files, ReadsWhatWasWritten) {
  const std::string content("a\0b\nc", 5);
  write_atomically(folder_ / "x", content);
  EXPECT_EQ(read_file(folder_ / "x", 100), content);
  const MappedFile mapped(folder_ / "x");
  EXPECT_EQ(std::string(mapped.bytes().begin(), mapped.bytes().end()), content);
  EXPECT_FALSE(fs::exists(folder_ / "x.tmp"));
}

TEST_F(Files, RefusesWhatItCannotRead) {
  write_atomically(folder_ / "x", "12345");
  EXPECT_THAT(message_of([&] { read_file(folder_ / "x", 4); }),
              HasSubstr("holds 5 bytes, more than the 4"));
  EXPECT_THAT(message_of([&] { read_file(folder_ / "none", 4); }),
              HasSubstr("none: cannot open: No such file"));
  EXPECT_THAT(message_of([&] { MappedFile{folder_}; }), HasSubstr("is no regular file"));
}

TEST_F(Files, AFailingWriteLeavesTheOldContent) {
  write_atomically(folder_ / "x", "old");
  EXPECT_THROW(write_atomically(folder_ / "x",
                                [](FileWriter& writer) {
                                  writer.write("new", 3);
                                  throw UserError("no more");
                                }),
               UserError);
  EXPECT_EQ(read_file(folder_ / "x", 10), "old");
  EXPECT_FALSE(fs::exists(folder_ / "x.tmp"));
}

// A limit on the file size stands in for a full disk: the write fails in the middle.
TEST_F(Files, AFullDiskLeavesTheOldContentAndSaysSo) {
  write_atomically(folder_ / "x", "old");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto message = message_of([&] { write_atomically(folder_ / "x", std::string(5000, 'n')); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(message, HasSubstr("x: cannot write: File too large"));
  EXPECT_EQ(read_file(folder_ / "x", 10), "old");
}

TEST_F(Files, LineFileAppendsKeepsAndTruncates) {
  const auto path = folder_ / "log";
  uint64_t after_one = 0;
  {
    LineFile file(path, false);
    file.line("one");
    after_one = file.size();
    file.line("two");
  }
  {
    LineFile file(path, true);
    file.truncate_to(after_one);
    file.line("three");
    ::testing::internal::CaptureStderr();
    file.truncate_to(1000);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("its last lines are missing"));
  }
  EXPECT_EQ(read_file(path, 100), "one\nthree\n");
  LineFile emptied(path, false);
  EXPECT_EQ(emptied.size(), 0u);
}

TEST_F(Files, ALockedFolderIsRefusedUntilReleased) {
  {
    const FolderLock lock(folder_);
    EXPECT_THAT(message_of([&] { FolderLock{folder_}; }),
                HasSubstr("another run is using this folder"));
  }
  EXPECT_NO_THROW(FolderLock{folder_});
}

TEST_F(Files, AFolderThatCannotBeMadeIsNamed) {
  write_atomically(folder_ / "file", "x");
  EXPECT_THAT(message_of([&] { make_writable_folder(folder_ / "file" / "sub"); }),
              HasSubstr("cannot make this folder"));
}

TEST(NearestName, OffersOnlyWhatIsNear) {
  const std::vector<std::string> names = {"penalty_weight", "penalty_iters", "epochs"};
  EXPECT_EQ(nearest_name("penalty_wieght", names), "penalty_weight");
  EXPECT_EQ(nearest_name("epoch", names), "epochs");
  EXPECT_EQ(nearest_name("zebra", names), "");
}

TEST(HumanDuration, IsShort) {
  EXPECT_EQ(human_duration(12.4), "12 s");
  EXPECT_EQ(human_duration(200), "3m 20s");
  EXPECT_EQ(human_duration(3720), "1h 02m");
}

}  // namespace
}  // namespace ipirm::core
