// Loader: worker threads that make the views of an epoch's batches ahead of their use, in a fixed
// order.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ipirm/data/options.h"

namespace ipirm::data {

struct ViewShape {
  int height = 32;
  int width = 32;
  int numbers = 0;  // that stand beside the pixels of each view, such as those of its draw
};

// The options of a loader whose batches go to `device`: channels-last, and, where that is not the
// CPU, in page-locked memory and in 8 bits, which the device normalises (augment::normalised).
LoaderOptions for_device(LoaderOptions options, torch::Device device);

// Where a view goes. Channel c of pixel (y, x) has the place c * channel_stride + (y * width + x) *
// pixel_stride: in `out`, normalised float32, or where `bytes` is not null (Pixels::kByte) there,
// in 8 bits. Planar views have pixel_stride 1, channels-last views channel_stride 1.
struct ViewOut {
  float* out = nullptr;
  ptrdiff_t channel_stride = 0;
  ptrdiff_t pixel_stride = 0;
  uint8_t* bytes = nullptr;
  double* numbers = nullptr;  // ViewShape::numbers of them; null where there are none
};

// Makes view number `view` of sample `sample`. Called from several threads at once; scratch is the
// calling thread's.
using MakeView = std::function<void(int64_t sample, int view, std::vector<uint8_t>& scratch,
                                    const ViewOut& out)>;

// All on the CPU.
struct Batch {
  torch::Tensor index;  // (B) int64: the samples' positions in the set
  // num_views tensors (B, 3, height, width), float32 or uint8 as LoaderOptions::pixels says.
  std::vector<torch::Tensor> views;
  // As many tensors (B, ViewShape::numbers) float64; empty where that is 0.
  std::vector<torch::Tensor> numbers;
};

// Passes over an order in batches. What comes out depends on order and make_view alone, never on
// the number of workers. Threads start in the constructor and end in the destructor, whether or not
// the last pass was finished.
class Loader {
 public:
  // drop_last: leave out a last batch with fewer than batch_size samples. first_batch: skip that
  // many batches (resuming inside an epoch).
  Loader(std::vector<int64_t> order, int64_t batch_size, bool drop_last, int num_views,
         ViewShape shape, MakeView make_view, const LoaderOptions& options,
         int64_t first_batch = 0);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch, or nothing at the end. Rethrows what make_view threw.
  std::optional<Batch> next();

  // After the end of a pass, another one by the same threads: of as many views of the same shape.
  // Throws c10::Error where the pass under way has batches left.
  void start_pass(std::vector<int64_t> order, MakeView make_view);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ipirm::data
