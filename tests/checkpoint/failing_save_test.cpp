// Saves of which any one call fails: the earlier file stays whole, and nothing else stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cerrno>
#include <functional>
#include <iterator>

#include "checkpoint/scratch.h"
#include "ipirm/checkpoint/npy.h"
#include "ipirm/checkpoint/torch_file.h"
#include "support/failing_files.h"

namespace ipirm::checkpoint {
namespace {

using core::FailingFileSystem;
using core::ReplacedFileSystem;
using ::testing::HasSubstr;

class FailingSaveTest : public ScratchTest {
 protected:
  // Fails each call of a save of `fresh` over `old` in its turn.
  template <class Value>
  void check(const char* name, void (*save)(const std::filesystem::path&, const Value&),
             const Value& old, const Value& fresh) {
    const auto path = folder_ / name;
    save(path, fresh);
    const std::string fresh_bytes = read_bytes(path);
    FailingFileSystem counting(FailingFileSystem::kNever, ENOSPC);
    {
      const ReplacedFileSystem replaced(counting);
      save(path, old);
    }
    const std::string old_bytes = read_bytes(path);
    EXPECT_THAT(counting.calls(), HasSubstr("fsync close rename fsync close"));
    const int before_rename = counting.num_calls() - 2;
    for (int n = 0; n < counting.num_calls() - 1; ++n) {  // the last call closes the folder
      SCOPED_TRACE(n);
      save(path, old);
      FailingFileSystem failing(n, ENOSPC);
      const ReplacedFileSystem replaced(failing);
      EXPECT_THAT(user_error([&] { save(path, fresh); }), HasSubstr("No space left on device"));
      EXPECT_EQ(read_bytes(path) == old_bytes, n < before_rename);
      EXPECT_EQ(read_bytes(path) == fresh_bytes, n >= before_rename);
      EXPECT_EQ(failing.num_open(), 0);
    }
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_),
                            std::filesystem::directory_iterator()),
              1);
  }
};

TEST_F(FailingSaveTest, KeepsTheEarlierArray) {
  check<torch::Tensor>("a.npy", write_npy, torch::zeros({30, 2}), torch::ones({30, 2}));
}

TEST_F(FailingSaveTest, KeepsTheEarlierWeights) {
  const auto weights = [](double value) {
    return StateDict{{"w", torch::full({30, 40}, value)}, {"b", torch::full({3}, value)}};
  };
  check<StateDict>("model_1.pt", write_torch_file, weights(0), weights(1));
}

}  // namespace
}  // namespace ipirm::checkpoint
