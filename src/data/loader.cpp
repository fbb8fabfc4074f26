// Worker threads that share out an epoch sample by sample.
#include "ipirm/data/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace ipirm::data {
namespace {

// A batch in the making. The thread that calls next() makes and returns it; workers only write
// views.
struct Pending {
  Batch batch;
  std::vector<ViewOut> outs;  // where the first sample's views go, one a view
  int64_t first = 0;          // position in the order of the batch's first sample
  int64_t size = 0;
  int64_t taken = 0;     // samples handed to workers
  int64_t finished = 0;  // samples made
  // Of the failed samples the first in the batch: which failure is reported does not depend on the
  // threads either.
  int64_t failed = -1;
  std::exception_ptr failure;
};

}  // namespace

LoaderOptions for_device(LoaderOptions options, torch::Device device) {
  options.channels_last = true;
  options.pinned = !device.is_cpu();
  options.pixels = device.is_cpu() ? Pixels::kFloat : Pixels::kByte;
  return options;
}

struct Loader::State {
  // Of the pass; changed only while no batch is pending, when no worker reads it.
  std::vector<int64_t> order;
  MakeView make_view;
  int64_t next_first = 0;  // position of the next batch to be opened
  int64_t end = 0;         // position after the last sample that is used
  int64_t batch_size;
  bool drop_last;
  int num_views;
  ViewShape shape;
  LoaderOptions options;

  std::mutex mutex;  // guards everything below
  std::condition_variable work, done;
  // At most options.prefetch, in the order of the epoch.
  std::deque<std::unique_ptr<Pending>> pending;
  bool stop = false;
  std::vector<std::thread> workers;

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    work.notify_all();
    for (auto& worker : workers) worker.join();
  }

  at::TensorOptions tensor_options(at::ScalarType type) const {
    return at::TensorOptions(type).pinned_memory(options.pinned);
  }
  void set_pass(std::vector<int64_t> new_order, MakeView new_make_view, int64_t first_batch);
  std::unique_ptr<Pending> open_batch();
  void fill_queue();
  void run_worker();
  void make_sample(const Pending& batch, int64_t i, std::vector<uint8_t>& scratch) const;
};

void Loader::State::set_pass(std::vector<int64_t> new_order, MakeView new_make_view,
                             int64_t first_batch) {
  order = std::move(new_order);
  make_view = std::move(new_make_view);
  const auto size = static_cast<int64_t>(order.size());
  end = drop_last ? size / batch_size * batch_size : size;
  next_first = first_batch > size / batch_size ? end : std::min(end, first_batch * batch_size);
}

std::unique_ptr<Pending> Loader::State::open_batch() {
  auto opened = std::make_unique<Pending>();
  opened->first = next_first;
  opened->size = std::min(batch_size, end - next_first);
  auto& batch = opened->batch;
  const auto samples = order.begin() + next_first;
  batch.index = at::empty({opened->size}, tensor_options(at::kLong));
  std::copy(samples, samples + opened->size, batch.index.data_ptr<int64_t>());
  const auto format =
      options.channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  const bool in_bytes = options.pixels == Pixels::kByte;
  for (int view = 0; view < num_views; ++view) {
    const auto pixels = at::empty({opened->size, 3, shape.height, shape.width},
                                  tensor_options(in_bytes ? at::kByte : at::kFloat), format);
    ViewOut out{in_bytes ? nullptr : pixels.data_ptr<float>(), pixels.stride(1), pixels.stride(3),
                in_bytes ? pixels.data_ptr<uint8_t>() : nullptr};
    batch.views.push_back(pixels);
    if (shape.numbers > 0) {
      const auto numbers = at::empty({opened->size, shape.numbers}, tensor_options(at::kDouble));
      out.numbers = numbers.data_ptr<double>();
      batch.numbers.push_back(numbers);
    }
    opened->outs.push_back(out);
  }
  return opened;
}

// Called by the thread that owns the loader. Tensors are made outside the lock.
void Loader::State::fill_queue() {
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (static_cast<int>(pending.size()) >= options.prefetch || next_first >= end) return;
    }
    auto opened = open_batch();
    next_first += opened->size;
    {
      const std::lock_guard lock(mutex);
      pending.push_back(std::move(opened));
    }
    work.notify_all();
  }
}

void Loader::State::make_sample(const Pending& batch, int64_t i,
                                std::vector<uint8_t>& scratch) const {
  const ptrdiff_t values = ptrdiff_t{3} * shape.height * shape.width;
  for (int view = 0; view < num_views; ++view) {
    ViewOut out = batch.outs[static_cast<size_t>(view)];
    if (out.out) out.out += i * values;
    if (out.bytes) out.bytes += i * values;
    if (out.numbers) out.numbers += i * shape.numbers;
    make_view(order[static_cast<size_t>(batch.first + i)], view, scratch, out);
  }
}

void Loader::State::run_worker() {
  std::vector<uint8_t> scratch;
  std::unique_lock lock(mutex);
  for (;;) {
    Pending* batch = nullptr;
    work.wait(lock, [&] {
      const auto open =
          std::find_if(pending.begin(), pending.end(), [](auto& p) { return p->taken < p->size; });
      batch = open == pending.end() ? nullptr : open->get();
      return stop || batch != nullptr;
    });
    if (stop) return;
    const int64_t i = batch->taken++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      make_sample(*batch, i, scratch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (batch->failed < 0 || i < batch->failed)) {
      batch->failed = i;
      batch->failure = failure;
    }
    if (++batch->finished == batch->size) done.notify_one();
  }
}

Loader::Loader(std::vector<int64_t> order, int64_t batch_size, bool drop_last, int num_views,
               ViewShape shape, MakeView make_view, const LoaderOptions& options,
               int64_t first_batch)
    : state_(std::make_unique<State>()) {
  TORCH_CHECK(batch_size >= 1 && num_views >= 1 && shape.height >= 1 && shape.width >= 1 &&
                  shape.numbers >= 0,
              "loader: empty batches");
  TORCH_CHECK(options.workers >= 1 && options.prefetch >= 1 && first_batch >= 0,
              "loader: options out of range");
  auto& state = *state_;
  state.batch_size = batch_size;
  state.drop_last = drop_last;
  state.num_views = num_views;
  state.shape = shape;
  state.options = options;
  state.set_pass(std::move(order), std::move(make_view), first_batch);
  state.fill_queue();
  for (int i = 0; i < options.workers; ++i)
    state.workers.emplace_back([&state] { state.run_worker(); });
}

Loader::~Loader() = default;

void Loader::start_pass(std::vector<int64_t> order, MakeView make_view) {
  auto& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    TORCH_CHECK(state.pending.empty() && state.next_first >= state.end,
                "loader: a new pass before the end of the last");
    state.set_pass(std::move(order), std::move(make_view), /*first_batch=*/0);
  }
  state.fill_queue();
}

std::optional<Batch> Loader::next() {
  auto& state = *state_;
  std::unique_ptr<Pending> ready;
  {
    std::unique_lock lock(state.mutex);
    if (state.pending.empty()) return std::nullopt;
    const Pending& front = *state.pending.front();
    state.done.wait(lock, [&] { return front.finished == front.size; });
    if (front.failure)
      std::rethrow_exception(front.failure);  // it stays in front: asking again fails again
    ready = std::move(state.pending.front());
    state.pending.pop_front();
  }
  state.fill_queue();
  return std::move(ready->batch);
}

}  // namespace ipirm::data
