// Encodes events by the field numbers of TensorFlow's event.proto, summary.proto and tensor.proto.
#include "observe/events.h"

#include "observe/crc32c.h"
#include "observe/protobuf.h"

namespace ipirm::observe {
namespace {

namespace event {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5;
}
namespace summary {
constexpr uint32_t kValue = 1;
}
namespace value {
constexpr uint32_t kTag = 1, kSimpleValue = 2, kImage = 4, kTensor = 8, kMetadata = 9;
}
namespace metadata {
constexpr uint32_t kPluginData = 1, kPluginName = 1;
}
namespace image {
constexpr uint32_t kHeight = 1, kWidth = 2, kColourSpace = 3, kEncoded = 4;
constexpr uint64_t kRgb = 3;
}  // namespace image
namespace tensor {
constexpr uint32_t kDtype = 1, kShape = 2, kStringValue = 8;
constexpr uint64_t kString = 7;
}  // namespace tensor

std::string summary_event(const Moment& at, const Message& values) {
  Message message;
  message.real64(event::kWallTime, at.wall_time);
  if (at.step != 0) message.integer(event::kStep, static_cast<uint64_t>(at.step));
  return message.message(event::kSummary, values).encoded();
}

}  // namespace

std::string version_event(double wall_time) {
  return Message()
      .real64(event::kWallTime, wall_time)
      .bytes(event::kFileVersion, "brain.Event:2")
      .encoded();
}

std::string scalars_event(const Moment& at, const core::NamedValues& values) {
  Message all;
  for (const auto& [name, number] : values) {
    all.message(
        summary::kValue,
        Message().bytes(value::kTag, name).real32(value::kSimpleValue, static_cast<float>(number)));
  }
  return summary_event(at, all);
}

std::string text_event(const Moment& at, const std::string& name, const std::string& markdown) {
  const auto plugin = Message().bytes(metadata::kPluginName, "text");
  const auto text = Message()
                        .integer(tensor::kDtype, tensor::kString)
                        .bytes(tensor::kShape, "")  // no sizes: one string, not a list
                        .bytes(tensor::kStringValue, markdown);
  return summary_event(
      at, Message().message(
              summary::kValue,
              Message()
                  .bytes(value::kTag, name)
                  .message(value::kTensor, text)
                  .message(value::kMetadata, Message().message(metadata::kPluginData, plugin))));
}

std::string image_event(const Moment& at, const std::string& name, const PngImage& picture) {
  const auto content = Message()
                           .integer(image::kHeight, static_cast<uint64_t>(picture.height))
                           .integer(image::kWidth, static_cast<uint64_t>(picture.width))
                           .integer(image::kColourSpace, image::kRgb)
                           .bytes(image::kEncoded, picture.png);
  return summary_event(
      at, Message().message(summary::kValue,
                            Message().bytes(value::kTag, name).message(value::kImage, content)));
}

std::string record_of(std::string_view event) {
  std::string record;
  append_little_endian(record, static_cast<uint64_t>(event.size()));
  append_little_endian(record, masked_crc32c(record));
  record += event;
  append_little_endian(record, masked_crc32c(event));
  return record;
}

}  // namespace ipirm::observe
