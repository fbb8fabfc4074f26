// Replaces a state by renames, the newest last.
#include "ipirm/checkpoint/state_file.h"

#include <ATen/ATen.h>
#include <zlib.h>

#include <string_view>
#include <system_error>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/log.h"

namespace ipirm::checkpoint {
namespace fs = std::filesystem;

bool StateFile::exists() const noexcept {
  std::error_code unreadable;
  return fs::exists(file(".pt"), unreadable) || fs::exists(file("_previous.pt"), unreadable);
}

void StateFile::write(const StateDict& tensors) const {
  write_torch_file(file("_next.pt"), tensors);
  if (fs::exists(file(".pt"))) core::rename_durably(file(".pt"), file("_previous.pt"));
  core::rename_durably(file("_next.pt"), file(".pt"));
}

std::optional<fs::path> StateFile::read_newest(
    const std::function<void(const fs::path&)>& read) const {
  const auto newest = file(".pt"), previous = file("_previous.pt");
  if (fs::exists(newest)) {
    try {
      read(newest);
      return newest;
    } catch (const core::UserError& error) {
      if (!fs::exists(previous)) throw;
      const auto aside = file("_damaged.pt");
      core::log_warning(core::cat(error.what(), "; it is kept as ", aside.filename().string(),
                                  ", and the state before it (", previous.filename().string(),
                                  ") is used"));
      core::rename_durably(newest, aside);
    }
  }
  if (!fs::exists(previous)) return std::nullopt;
  read(previous);
  return previous;
}

void StateFile::remove() const {
  for (const char* name : {"", "_previous", "_next", "_damaged"}) {
    for (const char* suffix : {".pt", ".pt.tmp"}) {
      const auto path = file((std::string(name) + suffix).c_str());
      std::error_code error;
      fs::remove(path, error);
      if (error) {
        throw core::WriteError(core::cat(path.string(), ": cannot remove: ", error.message()));
      }
    }
  }
}

uint32_t checksum(const StateDict& tensors) {
  uLong crc = ::crc32_z(0, nullptr, 0);
  const auto add = [&](const void* data, size_t size) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(data), size);
  };
  for (const auto& [name, tensor] : tensors) {
    const std::string head = core::cat(name, ' ', tensor.scalar_type(), ' ', tensor.sizes(), '\n');
    add(head.data(), head.size());
    const at::Tensor elements = tensor.cpu().contiguous();
    if (elements.numel() > 0) add(elements.const_data_ptr(), elements.nbytes());
  }
  return static_cast<uint32_t>(crc);
}

}  // namespace ipirm::checkpoint
