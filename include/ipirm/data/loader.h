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
};

// Where the three channels of a view go: channel c of pixel (y, x) is out[c * channel_stride + (y *
// width + x) * pixel_stride], normalised float32. Planar views have pixel_stride 1, channels-last
// views channel_stride 1.
struct ViewOut {
  float* out = nullptr;
  ptrdiff_t channel_stride = 0;
  ptrdiff_t pixel_stride = 0;
};

// Makes view number `view` of sample `sample`. Called from several threads at once; scratch is the
// calling thread's.
using MakeView = std::function<void(int64_t sample, int view, std::vector<uint8_t>& scratch,
                                    const ViewOut& out)>;

struct Batch {
  torch::Tensor index;               // (B) int64, CPU: the samples' positions in the set
  std::vector<torch::Tensor> views;  // num_views tensors (B, 3, height, width) float32, CPU
};

// One pass over `order` in batches. What comes out depends on order and make_view alone, never on
// the number of workers. Threads start in the constructor and end in the destructor, whether or not
// the pass was finished.
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

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ipirm::data
