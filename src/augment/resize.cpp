// Crop and antialiased bilinear resize, after Pillow's Resample.c.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "augment/operations.h"

// Pillow's weights are products and sums rounded one by one; a fused multiply-add (-march=native)
// would change some.
#pragma GCC optimize("fp-contract=off")

namespace ipirm::augment {
namespace {

template <class T>
T* grown(std::vector<T>& memory, size_t size) {
  if (memory.size() < size) memory.resize(size);
  return memory.data();
}

// One channel of the box as `lines` lines of `lanes` neighbouring bytes.
struct Lines {
  const uint8_t* data;
  ptrdiff_t stride;
  int lanes;
};

// A channel as seen by a pass: lines run along the direction that is resized, lanes across it.
struct Channel {
  const uint8_t* origin;
  int lines, lanes;
  ptrdiff_t line_stride, lane_stride;
};

// The channel with neighbouring lanes: where it lies if it lies so, otherwise a copy.
Lines lines_of(const Channel& in, std::vector<uint8_t>& memory) {
  // The kernels' vector: fewer lanes would take a slower path, so they are filled up.
  constexpr int kNarrow = 16;
  if (in.lane_stride == 1 && in.lanes >= kNarrow) return {in.origin, in.line_stride, in.lanes};
  const int stride = in.lanes < kNarrow ? kNarrow : in.lanes;
  uint8_t* out = grown(memory, static_cast<size_t>(stride) * static_cast<size_t>(in.lines));
  if (in.lane_stride == 1) {
    for (int line = 0; line < in.lines; ++line) {
      std::memcpy(out + static_cast<ptrdiff_t>(line) * stride, in.origin + line * in.line_stride,
                  static_cast<size_t>(in.lanes));
    }
  } else if (in.line_stride == 1) {
    best_kernels().transpose(in.origin, in.lane_stride, in.lanes, in.lines, out, stride);
  } else {
    for (int line = 0; line < in.lines; ++line) {
      const uint8_t* from = in.origin + line * in.line_stride;
      uint8_t* to = out + static_cast<ptrdiff_t>(line) * stride;
      for (int lane = 0; lane < in.lanes; ++lane) to[lane] = from[lane * in.lane_stride];
    }
  }
  return {out, stride, stride};
}

// lines x lanes -> one.outputs x lanes -> (turned) lanes x one.outputs -> other.outputs x
// one.outputs, in `out`. The outputs of a mirrored pass are written in reverse order.
void two_passes(const Channel& channel, const TapsView& one, bool mirror_one, const TapsView& other,
                bool mirror_other, Workspace& workspace, uint8_t* out) {
  const Kernels& kernels = best_kernels();
  const Lines in = lines_of(channel, workspace.crop);
  uint8_t* passed =
      grown(workspace.first_pass, static_cast<size_t>(in.lanes) * static_cast<size_t>(one.outputs));
  uint8_t* turned = grown(workspace.turned,
                          static_cast<size_t>(channel.lanes) * static_cast<size_t>(one.outputs));
  const auto resample = [&](const Lines& from, const TapsView& taps, bool mirror, uint8_t* to) {
    uint8_t* first = mirror ? to + static_cast<ptrdiff_t>(taps.outputs - 1) * from.lanes : to;
    kernels.resample(from.data, from.stride, from.lanes, taps, first,
                     mirror ? -from.lanes : from.lanes);
  };
  resample(in, one, mirror_one, passed);
  kernels.transpose(passed, in.lanes, one.outputs, channel.lanes, turned, one.outputs);
  resample({turned, one.outputs, one.outputs}, other, mirror_other, out);
}

}  // namespace

void Taps::compute(int in, int out, int begin, int outputs) {
  const double scale = static_cast<double>(in) / out;
  const double support = scale < 1.0 ? 1.0 : scale;  // of the triangle, whose own is 1
  const double per_support = 1.0 / support;
  outputs_ = outputs;
  stride_ = static_cast<int>(std::ceil(support)) * 2 + 2;
  int32_t* firsts = grown(first_, static_cast<size_t>(outputs));
  int32_t* numbers = grown(number_, static_cast<size_t>(outputs));
  int32_t* weights = grown(weight_, static_cast<size_t>(outputs) * static_cast<size_t>(stride_));
  int32_t* pairs = grown(pair_, static_cast<size_t>(outputs) * static_cast<size_t>(stride_));
  double* exact = grown(exact_, static_cast<size_t>(stride_));
  for (int o = 0; o < outputs; ++o, weights += stride_, pairs += stride_) {
    const double center = (begin + o + 0.5) * scale;
    int first = static_cast<int>(center - support + 0.5);
    first = first < 0 ? 0 : first;
    int end = static_cast<int>(center + support + 0.5);
    end = end > in ? in : end;
    if (o == 0) first_input_ = first;
    end_input_ = end;
    int number = end - first;
    double sum = 0.0;
    for (int t = 0; t < number; ++t) {
      const double x = std::abs((t + first - center + 0.5) * per_support);
      exact[t] = x < 1.0 ? 1.0 - x : 0.0;
      sum += exact[t];
    }
    for (int t = 0; t < number; ++t) {
      weights[t] = static_cast<int32_t>(0.5 + exact[t] / sum * (1 << kWeightBits));
    }
    while (number > 1 && weights[number - 1] == 0) --number;
    weights[number] = 0;
    for (int t = 0; t < number; t += 2) {
      constexpr int32_t kLow = (1 << kLowBits) - 1;
      pairs[t] = (weights[t] >> kLowBits) | (weights[t + 1] >> kLowBits) << 16;
      pairs[t + 1] = (weights[t] & kLow) | (weights[t + 1] & kLow) << 16;
    }
    firsts[o] = first - first_input_;
    numbers[o] = number;
  }
}

TapsView Taps::view() const {
  return {outputs_, stride_, first_.data(), number_.data(), weight_.data(), pair_.data()};
}

const Taps& TapsTable::get(int in, int out) {
  constexpr int kLongest = 512;  // bounds the memory, to a few MB
  if (in > kLongest) {
    long_.compute(in, out);
    return long_;
  }
  if (out != out_) {
    by_length_.assign(kLongest + 1, Taps());
    out_ = out;
  }
  Taps& taps = by_length_[static_cast<size_t>(in)];
  if (taps.view().outputs == 0) taps.compute(in, out);
  return taps;
}

Planes Workspace::square(int size) {
  const size_t pixels = static_cast<size_t>(size) * static_cast<size_t>(size);
  uint8_t* data = grown(planes, 3 * pixels);
  return {data, data + pixels, data + 2 * pixels, size, size};
}

namespace {

// The box as an image of its own, black where it reaches beyond the image.
data::Image with_black_border(const data::Image& image, const CropBox& box,
                              std::vector<uint8_t>& memory) {
  const ptrdiff_t plane = static_cast<ptrdiff_t>(box.height) * box.width;
  memory.assign(static_cast<size_t>(3 * plane), 0);
  const int first_x = std::max(0, -box.left), end_x = std::min(box.width, image.width - box.left);
  const int first_y = std::max(0, -box.top), end_y = std::min(box.height, image.height - box.top);
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = first_y; y < end_y; ++y) {
      const uint8_t* row = image.pixels + channel * image.channel_stride +
                           (box.top + y) * image.row_stride + box.left * image.column_stride;
      uint8_t* to = memory.data() + channel * plane + static_cast<ptrdiff_t>(y) * box.width;
      for (int x = first_x; x < end_x; ++x) to[x] = row[x * image.column_stride];
    }
  }
  return {memory.data(), box.height, box.width, plane, box.width, 1};
}

// The box, resampled by two directions of taps that count from its corner.
void resample_box(const data::Image& image, const CropBox& box, bool flip,
                  const TapsView& horizontal, const TapsView& vertical, bool vertical_first,
                  Workspace& workspace, const Planes& out) {
  uint8_t* planes[3] = {out.red, out.green, out.blue};
  for (int channel = 0; channel < 3; ++channel) {
    const uint8_t* origin = image.pixels + channel * image.channel_stride +
                            box.top * image.row_stride + box.left * image.column_stride;
    if (vertical_first) {
      uint8_t* turned = grown(workspace.second_pass, static_cast<size_t>(out.pixels()));
      two_passes({origin, box.height, box.width, image.row_stride, image.column_stride}, vertical,
                 false, horizontal, flip, workspace, turned);
      best_kernels().transpose(turned, out.height, out.width, out.height, planes[channel],
                               out.width);
    } else {
      two_passes({origin, box.width, box.height, image.column_stride, image.row_stride}, horizontal,
                 flip, vertical, false, workspace, planes[channel]);
    }
  }
}

// Pillow's choice for a height and a width that shrink by so many pixels.
bool vertical_goes_first(int lost_height, int lost_width) {
  return lost_height > 0 && lost_height > 2 * lost_width;
}

}  // namespace

void crop_resize(const data::Image& image, const CropBox& box, bool flip, Workspace& workspace,
                 const Planes& out) {
  if (box.top < 0 || box.left < 0 || box.top + box.height > image.height ||
      box.left + box.width > image.width) {
    const data::Image bordered = with_black_border(image, box, workspace.bordered);
    return crop_resize(bordered, {0, 0, box.height, box.width}, flip, workspace, out);
  }
  const TapsView horizontal = workspace.horizontal.get(box.width, out.width).view();
  const TapsView vertical = workspace.vertical.get(box.height, out.height).view();
  resample_box(image, box, flip, horizontal, vertical,
               vertical_goes_first(box.height - out.height, box.width - out.width), workspace, out);
}

void resize_centre(const data::Image& image, int shorter, Workspace& workspace, const Planes& out) {
  const bool wide = image.width > image.height;
  // torchvision rounds the longer side down, and half a pixel of the crop's place to even.
  const int64_t least = std::min(image.height, image.width),
                most = std::max(image.height, image.width);
  const int longer = static_cast<int>(shorter * most / least);
  const int height = wide ? shorter : longer, width = wide ? longer : shorter;
  const auto start = [](int from, int to) {
    return static_cast<int>(std::nearbyint((from - to) / 2.0));
  };
  Taps &across = workspace.across, &down = workspace.down;
  across.compute(image.width, width, start(width, out.width), out.width);
  down.compute(image.height, height, start(height, out.height), out.height);
  const CropBox box = {down.first_input(), across.first_input(),
                       down.end_input() - down.first_input(),
                       across.end_input() - across.first_input()};
  resample_box(image, box, /*flip=*/false, across.view(), down.view(),
               vertical_goes_first(image.height - height, image.width - width), workspace, out);
}

}  // namespace ipirm::augment
