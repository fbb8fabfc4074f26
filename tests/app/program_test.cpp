// What becomes of the limits of a machine, and of faults: an exit code and one line without a call
// stack.
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "app/programs.h"
#include "ipirm/core/error.h"

namespace ipirm::app {
namespace {

template <class Failure>
Outcome outcome_of(Failure failure) {
  return run(
      [&](int, const char* const*) -> int {
        failure();
        return kExitOk;
      },
      {});
}

TEST(RunProgram, MemoryThatRunsOutIsTheUsersToMend) {
  expect_refused(outcome_of([] { throw std::bad_alloc(); }), {"memory", "--batch_size"});
  // What CUDA's allocator throws.
  expect_refused(outcome_of([] {
                   TORCH_CHECK_WITH(OutOfMemoryError, false,
                                    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 ...");
                 }),
                 {"the device has no memory left (CUDA out of memory.", "--batch_size"});
  // What cuDNN's convolutions say where their work space does not fit, and cuBLAS at its start.
  for (const char* words : {"FIND was unable to find an engine to execute this computation",
                            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"})
    expect_refused(outcome_of([&] { TORCH_CHECK(false, words); }),
                   {"the device has no memory left (", words, "--batch_size"});
  // The CPU's allocator, asked for more than any machine has.
  expect_refused(outcome_of([] { at::empty({int64_t{1} << 50}, at::kFloat); }),
                 {"an allocation of 4503599627370496 bytes failed", "--resume"});
  expect_refused(outcome_of([] { throw std::runtime_error("could not create a primitive"); }),
                 {"memory", "could not create a primitive"});
}

TEST(RunProgram, AThreadThatCannotBeStartedIsTheUsersToMend) {
  expect_refused(outcome_of([] {
                   throw std::system_error(
                       std::make_error_code(std::errc::resource_unavailable_try_again), "thread");
                 }),
                 {"thread", "--workers", "ulimit -u"});
}

TEST(RunProgram, AFaultIsOneLine) {
  const auto broken = outcome_of([] { TORCH_INTERNAL_ASSERT(false, "a broken invariant"); });
  EXPECT_EQ(broken.code, kExitFault);
  EXPECT_NE(broken.err.find("internal error: "), std::string::npos) << broken.err;
  EXPECT_EQ(std::count(broken.err.begin(), broken.err.end(), '\n'), 1) << broken.err;
  EXPECT_EQ(outcome_of([] { throw std::logic_error("odd"); }).err, "error: odd\n");
}

}  // namespace
}  // namespace ipirm::app
