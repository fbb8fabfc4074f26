// The host run of CUDA sources itself: it computes what the hardware computes, and finds faults
// that were put into kernels on purpose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

#include "ops/cuda/device_code.cuh"

namespace ipirm::ops::cuda {
namespace {

using cuda_host::Fault;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr unsigned kAll = 0xffffffffu;
constexpr int kSeeds = 8;

std::vector<float> numbers(size_t count) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(i * 7 % 31) / 8 - 1.5f;
  return out;
}

// out[i]: the sum of the `blockDim.x` numbers of block i, over shared memory. `fault` leaves a
// barrier out (1), or lets half of the threads alone come to it (2).
__global__ void sums(const float* in, float* out, int fault) {
  float* const shared = dynamic_shared<float>();
  const int thread = static_cast<int>(threadIdx.x), size = static_cast<int>(blockDim.x);
  shared[thread] = in[static_cast<int>(blockIdx.x) * size + thread];
  for (int half = size / 2; half > 0; half /= 2) {
    if (fault != 1 && (fault != 2 || thread < size / 2)) __syncthreads();
    if (thread < half) shared[thread] += shared[thread + half];
  }
  if (fault == 2) __syncthreads();
  if (thread == 0) out[blockIdx.x] = shared[0];
}

std::vector<float> run_sums(int fault, size_t spare_bytes = 0) {
  const auto in = numbers(6 * 64);
  std::vector<float> out(6);
  launch(sums, dim3(6), dim3(64), 64 * sizeof(float) - spare_bytes, nullptr, in.data(), out.data(),
         fault);
  return out;
}

std::vector<float> plain_sums() {
  const auto in = numbers(6 * 64);
  std::vector<float> out;
  for (auto from = in.begin(); from != in.end(); from += 64) {
    out.push_back(std::accumulate(from, from + 64, 0.f));  // exact: few bits a number
  }
  return out;
}

TEST(CudaHost, BarriersMakeSumsRightInEveryOrder) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    cuda_host::set_seed(seed);
    EXPECT_EQ(run_sums(0), plain_sums());
  }
}

TEST(CudaHost, ABarrierTakenOutShows) {
  int wrong = 0;
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    cuda_host::set_seed(seed);
    if (run_sums(1) != plain_sums()) ++wrong;
  }
  EXPECT_EQ(wrong, kSeeds);
}

TEST(CudaHost, ADivergentBarrierIsNamedWithBothPlaces) {
  EXPECT_THAT([] { run_sums(2); },
              ThrowsMessage<Fault>(AllOf(HasSubstr("__syncthreads: threads wait at harness_test"),
                                         HasSubstr(" and at harness_test"))));
}

TEST(CudaHost, LaunchesAreCountedAndRefusedWhereNoGpuTakesThem) {
  const auto before = cuda_host::launches().load();
  run_sums(0);
  EXPECT_EQ(cuda_host::launches() - before, 1);
  const auto in = numbers(2048);
  float out = 0;
  EXPECT_THROW(launch(sums, dim3(1), dim3(2048), 0, nullptr, in.data(), &out, 0), Fault);
  EXPECT_THROW(launch(sums, dim3(1), dim3(64), 200 << 10, nullptr, in.data(), &out, 0), Fault);
  EXPECT_THROW(launch(sums, dim3(1, 70000), dim3(64), 256, nullptr, in.data(), &out, 0), Fault);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(CudaHost, AnOverrunOfSharedMemoryIsFound) {
  EXPECT_THAT([] { run_sums(0, sizeof(float)); },
              ThrowsMessage<Fault>(HasSubstr("shared memory of 252 bytes was written at 252")));
}
#else
TEST(CudaHostDeathTest, TheSanitizerNamesAnOverrunOfSharedMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_sums(0, sizeof(float)), "heap-buffer-overflow");
}

TEST(CudaHostDeathTest, TheSanitizerNamesAnOverrunOfGlobalMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto in = numbers(6 * 64 - 1);
  std::vector<float> out(6);
  EXPECT_DEATH(launch(sums, dim3(6), dim3(64), 256, nullptr, in.data(), out.data(), 0),
               "heap-buffer-overflow");
}
#endif

__global__ void first_value(float* out) { *out = dynamic_shared<float>()[threadIdx.x]; }

TEST(CudaHost, SharedMemoryStartsAsNotANumber) {
  float out = 0;
  launch(first_value, dim3(1), dim3(1), 16, nullptr, &out);
  EXPECT_TRUE(std::isnan(out));
}

// order[n]: the thread that came n-th, over all blocks; the host alone can do this without atomics.
__global__ void write_order(std::atomic<int>* next, int* order) {
  order[(*next)++] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

TEST(CudaHost, TheSeedDrawsTheOrderOfThreads) {
  const auto order_of = [](unsigned seed) {
    cuda_host::set_seed(seed);
    std::atomic<int> next{0};
    std::vector<int> order(64);
    launch(write_order, dim3(1), dim3(64), 0, nullptr, &next, order.data());
    return order;
  };
  const auto order = order_of(3);
  EXPECT_EQ(order, order_of(3));
  EXPECT_NE(order, order_of(4));
  std::vector<int> all(64);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_THAT(order, ::testing::UnorderedElementsAreArray(all));
}

// Each lane's own row of six results.
__global__ void collectives(int* out) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  int* const row = out + 6 * static_cast<int>(threadIdx.x);
  row[0] = __shfl_xor_sync(kAll, lane, 5);
  row[1] = __shfl_sync(kAll, lane, 7);
  row[2] = __shfl_down_sync(kAll, lane, 8);
  row[3] = static_cast<int>(__ballot_sync(kAll, lane % 3 == 0));
  row[4] = -1;
  if (lane < 16) {  // half of a warp on its own, more than once
    row[4] = __shfl_xor_sync(0xffffu, lane, 1);
    row[4] = __shfl_xor_sync(0xffffu, row[4], 1);
  }
  row[5] = __shfl_xor_sync(kAll, lane, 16);
}

TEST(CudaHost, LanesSeeEachOther) {
  int votes = 0;
  for (int lane = 0; lane < 32; lane += 3) votes |= static_cast<int>(1u << lane);
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    cuda_host::set_seed(seed);
    std::vector<int> out(6 * 96);
    launch(collectives, dim3(1), dim3(96), 0, nullptr, out.data());
    for (int thread = 0; thread < 96; ++thread) {
      const int lane = thread % 32;
      const std::vector<int> found(out.begin() + 6 * thread, out.begin() + 6 * (thread + 1));
      EXPECT_THAT(found, ::testing::ElementsAre(lane ^ 5, 7, lane < 24 ? lane + 8 : lane, votes,
                                                lane < 16 ? lane : -1, lane ^ 16));
    }
  }
}

__global__ void wait_for_those_that_left(int* out) {
  if (threadIdx.x == 0) return;
  out[threadIdx.x] = __shfl_xor_sync(kAll, 1, 1);
}
__global__ void ask_beyond_the_mask(int* out) {
  if (threadIdx.x < 8) out[threadIdx.x] = __shfl_sync(0xffu, 1, 9);
}

TEST(CudaHost, CollectivesThatCannotEndAreFound) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch(wait_for_those_that_left, dim3(1), dim3(32), 0, nullptr, out.data()); },
              ThrowsMessage<Fault>(HasSubstr("31 threads wait for others that never come")));
  EXPECT_THAT([&] { launch(ask_beyond_the_mask, dim3(1), dim3(32), 0, nullptr, out.data()); },
              ThrowsMessage<Fault>(HasSubstr("lane 9, which is not in the mask")));
}

// Copies 64 floats through shared memory and hands them on turned round. `fault`: 1 leaves the wait
// out, 2 waits for the older group alone.
__global__ void copy_async(const float* in, float* out, int fault) {
  float* const shared = dynamic_shared<float>();
  const int thread = static_cast<int>(threadIdx.x);  // 16 of them
  if (thread < 8) cp_async_16(shared + 4 * thread, in + 4 * thread);
  cp_async_commit();
  // The last 4 numbers are cut to 1, and the rest becomes 0.
  if (thread >= 8) cp_async_16(shared + 4 * thread, in + 4 * thread, thread == 15 ? 4 : 16);
  cp_async_commit();
  if (fault == 0) cp_async_wait<0>();
  if (fault == 2) cp_async_wait<1>();
  __syncthreads();
  for (int i = thread; i < 64; i += 16) out[i] = shared[63 - i];
}

TEST(CudaHost, ACopyArrivesAtTheWaitAndNotBefore) {
  const auto in = numbers(64);
  const auto run = [&](int fault) {
    std::vector<float> out(64);
    launch(copy_async, dim3(1), dim3(16), 256, nullptr, in.data(), out.data(), fault);
    return out;
  };
  auto expected = std::vector<float>(in.rbegin(), in.rend());
  expected[0] = expected[1] = expected[2] = 0;
  EXPECT_EQ(run(0), expected);
  for (const float value : run(1)) EXPECT_TRUE(std::isnan(value));
  const auto half = run(2);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(std::isnan(half[i]), i < 32) << i;
}

__global__ void copy_from_anywhere(const float* in) { cp_async_16(dynamic_shared<float>(), in); }

TEST(CudaHost, ACopyFromAnUnalignedAddressIsFound) {
  alignas(16) const float in[8] = {};
  EXPECT_THROW(launch(copy_from_anywhere, dim3(1), dim3(1), 16, nullptr, in + 1), Fault);
}

// c (16, 8) = a (16, 16) b (16, 8), of bfloat16 numbers.
__global__ void product(const unsigned* a, const unsigned* b_columns, float* c) {
  unsigned* const shared = dynamic_shared<unsigned>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 16 * 8; i += 32) shared[i] = a[i];  // a row: 8 pairs
  __syncwarp();
  unsigned rows[4];
  ldmatrix_x4(rows, shared + lane % 16 * 8 + lane / 16 * 4);
  const unsigned column[2] = {b_columns[lane / 4 * 8 + lane % 4],
                              b_columns[lane / 4 * 8 + lane % 4 + 4]};
  float d[4] = {1, 1, 1, 1};
  mma_bf16(d, rows, column);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i] - 1;
}

TEST(CudaHost, TensorCoresMultiply) {
  // Few bits a number, so that bfloat16 holds it and sums are exact.
  const auto a = numbers(16 * 16), b = numbers(8 * 16);
  std::vector<unsigned> a_pairs, b_pairs;
  for (size_t i = 0; i < a.size(); i += 2) a_pairs.push_back(pack_bf16(a[i], a[i + 1]));
  for (size_t i = 0; i < b.size(); i += 2) b_pairs.push_back(pack_bf16(b[i], b[i + 1]));
  std::vector<float> c(16 * 8);
  launch(product, dim3(1), dim3(32), 512, nullptr, a_pairs.data(), b_pairs.data(), c.data());
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      float expected = 0;
      for (size_t k = 0; k < 16; ++k) expected += a[i * 16 + k] * b[j * 16 + k];
      EXPECT_EQ(c[i * 8 + j], expected) << i << ", " << j;
    }
  }
}

TEST(CudaHost, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(bf16_low(pack_bf16(1.f + 1.f / 256, 0)), 1.f);              // half way: to even
  EXPECT_EQ(bf16_high(pack_bf16(0, 1.f + 3.f / 256)), 1.f + 1.f / 64);  // half way: to even
  EXPECT_EQ(bf16_low(pack_bf16(-1.f - 1.1f / 256, 0)), -1.f - 1.f / 128);
  EXPECT_TRUE(std::isnan(bf16_low(pack_bf16(std::numeric_limits<float>::quiet_NaN(), 0))));
}

__global__ void throw_in_one_thread() {
  if (threadIdx.x == 5) throw std::runtime_error("five");
  __syncthreads();
}

TEST(CudaHost, WhatAThreadThrowsReachesTheLaunch) {
  EXPECT_THAT([] { launch(throw_in_one_thread, dim3(4), dim3(64), 0, nullptr); },
              ThrowsMessage<std::runtime_error>("five"));
}

}  // namespace
}  // namespace ipirm::ops::cuda
