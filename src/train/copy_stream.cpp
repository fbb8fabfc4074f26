// Copies on a second stream, for which the first one waits by an event.
#include "ipirm/train/copy_stream.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "ipirm/core/to_device.h"

namespace ipirm::train {

CopyStream::CopyStream(torch::Device device) : device_(device) {
  if (!device.is_cpu())
    stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

torch::Tensor CopyStream::to_device(const torch::Tensor& tensor) const {
  if (!stream_) return core::to_device(tensor, device_);
  const auto computing = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  c10::Event copied(device_.type());
  torch::Tensor copy;
  {
    const c10::StreamGuard guard(*stream_);
    copy = core::to_device(tensor, device_);
    copied.record(*stream_);
  }
  copied.block(computing);
  copy.record_stream(computing);  // its memory may not be reused by copies before that is done
  return copy;
}

}  // namespace ipirm::train
