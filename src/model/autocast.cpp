// Autocast: the guard over at::autocast's thread-local switches.
#include "ipirm/model/autocast.h"

#include <ATen/autocast_mode.h>

namespace ipirm::model {

Autocast::Autocast(torch::Device device, bool bf16)
    : type_(device.type()),
      enabled_before_(at::autocast::is_autocast_enabled(type_)),
      dtype_before_(at::autocast::get_autocast_dtype(type_)) {
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(type_, bf16);
  if (bf16) at::autocast::set_autocast_dtype(type_, torch::kBFloat16);
}

Autocast::~Autocast() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, enabled_before_);
  at::autocast::set_autocast_dtype(type_, dtype_before_);
}

}  // namespace ipirm::model
