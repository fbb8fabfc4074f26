// Shares out a set's images among the loader's threads and gathers what they refuse.
#include "ipirm/data/check.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <system_error>

#include "data/image_decode.h"
#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/data/loader.h"

namespace ipirm::data {
namespace {

constexpr int64_t kShare = 64;  // images between two looks at the clock and at interrupts

}  // namespace

std::vector<BadImage> find_bad_images(const ImageSet& set, CheckDepth depth, int workers,
                                      const std::string& label) {
  std::vector<BadImage> bad;
  if (set.size() == 0 || (depth == CheckDepth::kStructure && set.file(0).empty())) return bad;
  std::mutex mutex;  // guards `bad`
  const auto look = [&](int64_t i, int, std::vector<uint8_t>& scratch, const ViewOut&) {
    try {
      const auto file = set.file(i);
      // Opening a pipe would wait for its other end.
      if (std::error_code error; !file.empty() && !std::filesystem::is_regular_file(file, error))
        throw core::UserError(
            core::cat(file.string(), ": is no regular file; replace or remove it"));
      if (depth == CheckDepth::kStructure) {
        check_image_file(file.string());
      } else {
        set.image(i, scratch);
      }
    } catch (const core::UserError& error) {
      const std::lock_guard lock(mutex);
      bad.push_back({i, error.what()});
    }
  };
  std::vector<int64_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  core::Progress progress(label, set.size(), "images");
  int64_t done = 0;
  // Views of one pixel, which nobody writes or reads.
  Loader loader(std::move(order), kShare, /*drop_last=*/false, /*num_views=*/1, {1, 1}, look,
                {.workers = workers});
  while (const auto batch = core::interrupted() ? std::nullopt : loader.next())
    progress.update(done += batch->index.size(0));
  std::sort(bad.begin(), bad.end(),
            [](const BadImage& a, const BadImage& b) { return a.index < b.index; });
  return bad;
}

}  // namespace ipirm::data
