// Loader: the same batches from any number of workers; failures come out in their place.
#include "ipirm/data/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

namespace ipirm::data {
namespace {

constexpr ViewShape kShape = {4, 5};

float view_value(int64_t sample, int view, int c, int y, int x) {
  return static_cast<float>(sample * 1000 + view * 500 + c * 100 + y * 10 + x);
}

void fill_view(int64_t sample, int view, std::vector<uint8_t>&, const ViewOut& out) {
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < kShape.height; ++y) {
      for (int x = 0; x < kShape.width; ++x) {
        out.out[c * out.channel_stride + (y * kShape.width + x) * out.pixel_stride] =
            view_value(sample, view, c, y, x);
      }
    }
  }
}

std::vector<int64_t> order_of(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = (i * 7 + 3) % n;
  return order;
}

std::vector<Batch> all_batches(Loader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

struct Setup {
  int workers;
  int prefetch;
  bool channels_last;
};

class LoaderSetups : public ::testing::TestWithParam<Setup> {};

TEST_P(LoaderSetups, EveryBatchHoldsItsSamplesInOrder) {
  const auto [workers, prefetch, channels_last] = GetParam();
  const auto order = order_of(45);
  Loader loader(order, 8, false, 2, kShape, fill_view, {workers, false, channels_last, prefetch});
  const auto batches = all_batches(loader);
  ASSERT_EQ(batches.size(), 6u);
  size_t place = 0;
  for (const auto& batch : batches) {
    const int64_t size = place == 40 ? 5 : 8;
    ASSERT_EQ(batch.index.sizes(), at::IntArrayRef({size}));
    ASSERT_EQ(batch.index.scalar_type(), torch::kInt64);
    ASSERT_EQ(batch.views.size(), 2u);
    for (const auto& view : batch.views) {
      ASSERT_EQ(view.sizes(), at::IntArrayRef({size, 3, 4, 5}));
      ASSERT_EQ(view.scalar_type(), torch::kFloat32);
      const auto format =
          channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
      ASSERT_TRUE(view.is_contiguous(format));
    }
    for (int64_t i = 0; i < size; ++i, ++place) {
      ASSERT_EQ(batch.index[i].item<int64_t>(), order[place]);
      for (int view = 0; view < 2; ++view) {
        const auto image = batch.views[static_cast<size_t>(view)][i].contiguous();
        const auto values = image.accessor<float, 3>();
        for (int c = 0; c < 3; ++c) {
          for (int y = 0; y < 4; ++y) {
            for (int x = 0; x < 5; ++x)
              ASSERT_EQ(values[c][y][x], view_value(order[place], view, c, y, x));
          }
        }
      }
    }
  }
  EXPECT_EQ(place, 45u);
  EXPECT_FALSE(loader.next().has_value());
}

INSTANTIATE_TEST_SUITE_P(All, LoaderSetups,
                         ::testing::Values(Setup{1, 1, false}, Setup{1, 3, true},
                                           Setup{2, 3, false}, Setup{2, 1, true},
                                           Setup{8, 3, false}, Setup{8, 2, true},
                                           Setup{3, 100, false}));

// Passes one after the other, by the threads of the first.
TEST(Loader, MakesFurtherPassesByTheSameThreads) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  int64_t pass = 0;
  const auto make = [&](int64_t of_pass) {
    return
        [&, of_pass](int64_t sample, int view, std::vector<uint8_t>& scratch, const ViewOut& out) {
          fill_view(sample + 100 * of_pass, view, scratch, out);
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
        };
  };
  Loader loader(order_of(11), 4, /*drop_last=*/true, 1, kShape, make(0), {.workers = 3});
  EXPECT_THROW(loader.start_pass(order_of(11), make(1)), c10::Error);  // the first is under way
  for (; pass < 20; ++pass) {
    if (pass > 0) loader.start_pass(order_of(11), make(pass));
    const auto batches = all_batches(loader);
    ASSERT_EQ(batches.size(), 2u);
    for (size_t i = 0; i < 8; ++i) {
      const auto& batch = batches[i / 4];
      const auto row = static_cast<int64_t>(i % 4);
      EXPECT_EQ(batch.index[row].item<int64_t>(), order_of(11)[i]);
      EXPECT_EQ(batch.views[0][row][0][0][0].item<float>(),
                view_value(order_of(11)[i] + 100 * pass, 0, 0, 0, 0));
    }
  }
  EXPECT_LE(threads.size(), 3u);
}

// Bytes and the numbers beside them come in their places as floats do.
TEST(Loader, BytesAndNumbersComeInTheirPlaces) {
  const auto order = order_of(11);
  const auto fill = [](int64_t sample, int view, std::vector<uint8_t>&, const ViewOut& out) {
    ASSERT_EQ(out.out, nullptr);
    for (int c = 0; c < 3; ++c) {
      for (int place = 0; place < 20; ++place) {
        out.bytes[c * out.channel_stride + place * out.pixel_stride] =
            static_cast<uint8_t>(sample * 10 + view * 100 + c);
      }
    }
    for (int n = 0; n < 2; ++n) out.numbers[n] = static_cast<double>(sample) + view * .5 + n * .25;
  };
  for (const bool channels_last : {false, true}) {
    LoaderOptions options{3, false, channels_last, 2};
    options.pixels = Pixels::kByte;
    Loader loader(order, 4, false, 2, {4, 5, 2}, fill, options);
    size_t place = 0;
    for (const auto& batch : all_batches(loader)) {
      ASSERT_EQ(batch.numbers.size(), 2u);
      for (int64_t i = 0; i < batch.index.size(0); ++i, ++place) {
        for (int view = 0; view < 2; ++view) {
          const auto image = batch.views[static_cast<size_t>(view)][i];
          ASSERT_EQ(image.scalar_type(), torch::kUInt8);
          for (int c = 0; c < 3; ++c)
            ASSERT_TRUE(image[c].eq(order[place] * 10 + view * 100 + c).all().item<bool>());
          const auto numbers = batch.numbers[static_cast<size_t>(view)];
          ASSERT_EQ(numbers[i][0].item<double>(), static_cast<double>(order[place]) + view * .5);
          ASSERT_EQ(numbers[i][1].item<double>(),
                    static_cast<double>(order[place]) + view * .5 + .25);
        }
      }
    }
    EXPECT_EQ(place, 11u);
  }
}

std::vector<int64_t> batch_sizes(int64_t samples, bool drop_last, int64_t first_batch) {
  Loader loader(order_of(samples), 8, drop_last, 1, kShape, fill_view, {}, first_batch);
  std::vector<int64_t> sizes;
  while (auto batch = loader.next()) sizes.push_back(batch->index.size(0));
  return sizes;
}

TEST(Loader, DropsTheLastPartialBatchWhenAsked) {
  using Sizes = std::vector<int64_t>;
  EXPECT_EQ(batch_sizes(20, false, 0), (Sizes{8, 8, 4}));
  EXPECT_EQ(batch_sizes(20, true, 0), (Sizes{8, 8}));
  EXPECT_EQ(batch_sizes(16, true, 0), (Sizes{8, 8}));
  EXPECT_EQ(batch_sizes(16, false, 0), (Sizes{8, 8}));
  EXPECT_EQ(batch_sizes(7, true, 0), Sizes{});
  EXPECT_EQ(batch_sizes(0, false, 0), Sizes{});
  EXPECT_EQ(batch_sizes(20, false, 2), Sizes{4});
  EXPECT_EQ(batch_sizes(20, true, 2), Sizes{});
  EXPECT_EQ(batch_sizes(20, false, 3), Sizes{});
  EXPECT_EQ(batch_sizes(20, false, int64_t{1} << 62), Sizes{});
}

TEST(Loader, SkippedBatchesAreNotMadeAndTheRestIsTheSame) {
  Loader whole(order_of(40), 8, true, 2, kShape, fill_view, {});
  std::atomic<int> num_made = 0;
  const auto counting = [&](int64_t sample, int view, std::vector<uint8_t>& scratch,
                            const ViewOut& out) {
    ++num_made;
    fill_view(sample, view, scratch, out);
  };
  Loader rest(order_of(40), 8, true, 2, kShape, counting, {}, 3);
  const auto all = all_batches(whole), last = all_batches(rest);
  ASSERT_EQ(last.size(), 2u);
  for (size_t b = 0; b < 2; ++b) {
    EXPECT_TRUE(last[b].index.equal(all[b + 3].index));
    EXPECT_TRUE(last[b].views[1].equal(all[b + 3].views[1]));
  }
  EXPECT_EQ(num_made, 2 * 8 * 2);
}

// The batches before the failing one come out whole; of several failures in it the first sample's
// is told, and again.
TEST(Loader, FailuresComeOutInTheirPlace) {
  for (const int workers : {1, 8}) {
    std::vector<int64_t> order(40);
    std::iota(order.begin(), order.end(), 0);
    const auto failing = [](int64_t sample, int view, std::vector<uint8_t>& scratch,
                            const ViewOut& out) {
      if (sample >= 19 && view == 1) throw std::runtime_error("sample " + std::to_string(sample));
      fill_view(sample, view, scratch, out);
    };
    Loader loader(order, 8, true, 2, kShape, failing, {workers, false, false, 3});
    EXPECT_TRUE(loader.next().has_value());
    EXPECT_TRUE(loader.next().has_value());
    for (int again = 0; again < 2; ++again) {
      try {
        loader.next();
        FAIL() << "expected the failure of sample 19";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "sample 19");
      }
    }
  }
}

// Waits, at most some seconds, until `count` has reached `least`, and then long enough for one too
// many to show.
void settle(const std::atomic<int64_t>& count, int64_t least) {
  using std::chrono::milliseconds;
  for (int wait = 0; wait < 5000 && count < least; ++wait)
    std::this_thread::sleep_for(milliseconds(1));
  std::this_thread::sleep_for(milliseconds(30));
}

TEST(Loader, WorkIsSharedAndBoundedAhead) {
  std::atomic<int64_t> num_made = 0;
  std::mutex mutex;
  std::condition_variable arrived;
  std::set<std::thread::id> threads;
  // Nobody goes on before all four workers have a sample in hand.
  const auto meet = [&](int64_t, int, std::vector<uint8_t>&, const ViewOut&) {
    std::unique_lock lock(mutex);
    threads.insert(std::this_thread::get_id());
    arrived.notify_all();
    arrived.wait_for(lock, std::chrono::seconds(10), [&] { return threads.size() == 4; });
    ++num_made;
  };
  Loader loader(order_of(1000), 10, true, 1, kShape, meet, {4, false, false, 3});
  settle(num_made, 30);
  EXPECT_EQ(num_made, 30);  // three batches ahead, and no more until one is taken
  loader.next();
  settle(num_made, 40);
  EXPECT_EQ(num_made, 40);
  EXPECT_EQ(threads.size(), 4u);
}

TEST(Loader, EndsPromptlyInTheMiddleOfAPass) {
  std::atomic<int64_t> num_made = 0;
  const auto slow = [&](int64_t, int, std::vector<uint8_t>&, const ViewOut&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++num_made;
  };
  {
    Loader loader(order_of(100000), 10000, true, 1, kShape, slow, {2, false, false, 2});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LT(num_made, 10000);  // it did not wait for the batch
  { const Loader unused(order_of(100), 10, true, 1, kShape, fill_view, {}); }
}

TEST(Loader, OptionsOutOfRangeAreAFaultOfTheProgram) {
  const auto make = [](int64_t batch, LoaderOptions options, int64_t first) {
    const Loader loader(order_of(10), batch, true, 1, kShape, fill_view, options, first);
  };
  EXPECT_THROW(make(0, {}, 0), c10::Error);
  EXPECT_THROW(make(2, {.workers = 0}, 0), c10::Error);
  EXPECT_THROW(make(2, {.prefetch = 0}, 0), c10::Error);
  EXPECT_THROW(make(2, {}, -1), c10::Error);
}

}  // namespace
}  // namespace ipirm::data
