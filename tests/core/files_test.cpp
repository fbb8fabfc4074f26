// File helpers: limits, atomic writes that leave the old content on failure, line files, locks; and
// small texts.
#include "ipirm/core/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "ipirm/core/error.h"
#include "ipirm/core/file_system.h"
#include "ipirm/core/log.h"
#include "support/failing_files.h"

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

TEST_F(Files, AnyFailingCallLeavesOldOrNewContentAndNoTemporary) {
  constexpr size_t kPiece = 700'000;  // more than half of what is gathered into one call
  const std::string old(70, 'o'), fresh(4 * kPiece, 'n');
  write_atomically(folder_ / "x", old);
  const auto save = [&] {
    write_atomically(folder_ / "x", [&](FileWriter& writer) {
      for (size_t place = 0; place < fresh.size(); place += kPiece)
        writer.write(fresh.data() + place, kPiece);
    });
  };
  FailingFileSystem counting(FailingFileSystem::kNever, ENOSPC);
  {
    const ReplacedFileSystem replaced(counting);
    save();
  }
  EXPECT_EQ(counting.calls(), "open*2 write*4 fsync close rename fsync close");
  for (int n = 0; n < counting.num_calls(); ++n) {
    SCOPED_TRACE(n);
    write_atomically(folder_ / "x", old);
    FailingFileSystem failing(n, ENOSPC);
    std::string message;
    {
      const ReplacedFileSystem replaced(failing);
      message = message_of(save);
    }
    if (n == counting.num_calls() - 1) {  // closing the folder loses nothing
      EXPECT_EQ(message, "nothing was thrown");
    } else {
      EXPECT_THAT(message, HasSubstr(n == 1 ? folder_.string() : (folder_ / "x").string()));
      EXPECT_THAT(message, HasSubstr("No space left on device; free some space and run again"));
      EXPECT_EQ(message.find('\n'), std::string::npos);
    }
    const bool renamed = n >= counting.num_calls() - 2;
    EXPECT_TRUE(read_file(folder_ / "x", fresh.size()) == (renamed ? fresh : old));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
    EXPECT_EQ(failing.num_open(), 0);
  }
}

// Small pieces are gathered, and what is larger goes its own way in its place.
TEST_F(Files, PiecesOfAnySizeComeOutInOrder) {
  std::string expected;
  FailingFileSystem counting(FailingFileSystem::kNever, ENOSPC);
  {
    const ReplacedFileSystem replaced(counting);
    write_atomically(folder_ / "x", [&](FileWriter& writer) {
      for (const size_t size : {1u, 3u, 5u << 20, 0u, 2u, 1u << 20, (1u << 20) + 1, 7u}) {
        const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
        writer.write(piece.data(), size);
        expected += piece;
      }
    });
  }
  EXPECT_TRUE(read_file(folder_ / "x", expected.size()) == expected);
  EXPECT_EQ(counting.calls(), "open*2 write*6 fsync close rename fsync close");
}

TEST_F(Files, InterruptedAndShortWritesGoOn) {
  StubbornFileSystem stubborn;
  const std::string content(5000, 'c');
  {
    const ReplacedFileSystem replaced(stubborn);
    write_atomically(folder_ / "x", content);
  }
  EXPECT_EQ(read_file(folder_ / "x", 10000), content);
}

TEST_F(Files, AFailingLineIsReported) {
  LineFile file(folder_ / "log", false);
  FailingFileSystem failing(0, ENOSPC);
  const ReplacedFileSystem replaced(failing);
  EXPECT_THAT(message_of([&] { file.line("one"); }),
              HasSubstr("log: cannot write: No space left on device"));
  FailingFileSystem unflushed(0, EIO);
  const ReplacedFileSystem again(unflushed);
  EXPECT_THAT(message_of([&] { file.flush(); }), HasSubstr("Input/output error"));
}

TEST(Log, ProblemsAreOneLine) {
  ::testing::internal::CaptureStderr();
  log_error("a\nb\x1b[2Jc");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "error: a?b?[2Jc\n");
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

// A file system whose flock fails for this reason.
class NoLocks : public FileSystem {
 public:
  explicit NoLocks(int code) : code_(code) {}
  int flock(int, int) override {
    errno = code_;
    return -1;
  }

 private:
  int code_;
};

TEST_F(Files, AFileSystemWithoutLocksIsUsedWithOneWarning) {
  for (const int code : {ENOSYS, EOPNOTSUPP, ENOLCK, EINVAL, EIO}) {
    NoLocks without(code);
    const ReplacedFileSystem replaced(without);
    ::testing::internal::CaptureStderr();
    EXPECT_NO_THROW(FolderLock{folder_});
    const auto said = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(said, HasSubstr("cannot lock a folder")) << code;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
  NoLocks busy(EWOULDBLOCK);
  const ReplacedFileSystem replaced(busy);
  EXPECT_THAT(message_of([&] { FolderLock{folder_}; }),
              HasSubstr("another run is using this folder"));
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

// People leave out the end of a name more often than they mistype one.
TEST(NearestName, OffersTheShortestNameThatBeginsSo) {
  const std::vector<std::string> names = {"--arch", "--batch_size", "--mixup", "--mixup_max",
                                          "--k"};
  EXPECT_EQ(nearest_name("--batch", names), "--batch_size");  // --arch is two edits away
  EXPECT_EQ(nearest_name("--mix", names), "--mixup");
  EXPECT_EQ(nearest_name("--mixup_", names), "--mixup_max");
  EXPECT_EQ(nearest_name("--bacth_size", names), "--batch_size");
  EXPECT_EQ(nearest_name("--zebra", names), "");
}

TEST(HumanDuration, IsShort) {
  EXPECT_EQ(human_duration(12.4), "12 s");
  EXPECT_EQ(human_duration(200), "3m 20s");
  EXPECT_EQ(human_duration(3720), "1h 02m");
}

}  // namespace
}  // namespace ipirm::core
