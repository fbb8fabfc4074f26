// Signals, missing descriptors and refused threads, each in a process of its own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/process.h"

namespace ipirm::core {
namespace {

using ::testing::HasSubstr;

constexpr useconds_t kLaterUs = 600'000;  // two signals this far apart are two requests

// How a child process ended: its exit code, or minus the signal that killed it. stderr is muted.
int ending_of(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

class EachSignal : public ::testing::TestWithParam<int> {};

TEST_P(EachSignal, SetsTheFlagAndNoMore) {
  EXPECT_EQ(ending_of([&] {
              catch_interrupts();
              const bool before = interrupted();
              ::raise(GetParam());
              return !before && interrupted() ? 0 : 1;
            }),
            0);
}

TEST_P(EachSignal, StaysIgnoredWhereItWasIgnored) {
  EXPECT_EQ(ending_of([&] {
              ::signal(GetParam(), SIG_IGN);
              catch_interrupts();
              ::raise(GetParam());
              return interrupted() ? 1 : 0;
            }),
            0);
}

TEST_P(EachSignal, SentTwiceAtOnceIsOneRequest) {
  EXPECT_EQ(ending_of([&] {
              catch_interrupts();
              ::raise(GetParam());
              ::raise(GetParam());
              return 0;
            }),
            0);
}

INSTANTIATE_TEST_SUITE_P(Signals, EachSignal, ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGUSR1));

// What ends the process when it comes after `first`, a while later.
int ending_after(int first, int second) {
  return ending_of([&] {
    catch_interrupts();
    ::raise(first);
    ::usleep(kLaterUs);
    ::raise(second);
    return 0;
  });
}

TEST(Interrupt, OnlyASecondSigintOrSigtermEndsTheProcess) {
  EXPECT_EQ(ending_after(SIGINT, SIGINT), -SIGINT);
  EXPECT_EQ(ending_after(SIGINT, SIGTERM), -SIGTERM);
  EXPECT_EQ(ending_after(SIGHUP, SIGHUP), 0);
  EXPECT_EQ(ending_after(SIGTERM, SIGHUP), 0);
  EXPECT_EQ(ending_after(SIGTERM, SIGUSR1), 0);
  // Slurm's warning and its end of the time: the save that the first began goes on.
  EXPECT_EQ(ending_after(SIGUSR1, SIGTERM), 0);
}

TEST(Interrupt, AFileIsFinishedFirst) {
  const auto path = std::filesystem::temp_directory_path() / cat("ipirm_interrupted_", ::getpid());
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int ending = ending_of([&] {
    catch_interrupts();
    ::raise(SIGTERM);
    ::usleep(kLaterUs);
    write_atomically(path, [&](FileWriter& file) {
      ::raise(SIGTERM);
      file.write("whole", 5);
      [[maybe_unused]] const auto written = ::write(ends[1], "x", 1);  // still alive
    });
    return 0;
  });
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  EXPECT_EQ(ending, -SIGTERM);
  EXPECT_EQ(read_file(path, 100), "whole");
  std::filesystem::remove(path);
  ::close(ends[0]);
}

TEST(Interrupt, WritingToAClosedPipeAndBeyondALimitFailInsteadOfKilling) {
  EXPECT_EQ(ending_of([] {
              catch_interrupts();
              ::raise(SIGPIPE);
              ::raise(SIGXFSZ);
              return 0;
            }),
            0);
}

TEST(Process, ClosedDescriptorsAreClaimed) {
  EXPECT_EQ(ending_of([] {
              for (const int descriptor : {0, 1, 2}) ::close(descriptor);
              claim_standard_descriptors();
              return ::open("/dev/null", O_RDONLY) > 2 ? 0 : 1;
            }),
            0);
  EXPECT_EQ(ending_of([] {  // one that is open keeps what it is
              int ends[2];
              if (::pipe(ends) != 0) return 2;
              ::dup2(ends[1], 1);
              ::close(0);
              claim_standard_descriptors();
              struct stat status = {};
              return ::fstat(1, &status) == 0 && S_ISFIFO(status.st_mode) ? 0 : 1;
            }),
            0);
}

TEST(Process, RefusedThreadsAreOneLine) {
  check_threads(0);
  check_threads(3);
  EXPECT_EQ(ending_of([] {
              const rlimit none = {0, 0};
              ::setrlimit(RLIMIT_NPROC, &none);
              if (::setuid(65534) != 0) return 2;  // root's threads are not limited
              try {
                check_threads(4);
              } catch (const UserError& error) {
                return std::string(error.what()).find("--workers") != std::string::npos ? 0 : 3;
              }
              return 1;
            }),
            ::geteuid() == 0 ? 0 : 2);
}

}  // namespace
}  // namespace ipirm::core
