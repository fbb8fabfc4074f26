// Takes torch files of both formats apart into their pickle and the elements of its storages.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/unpickler.h"
#include "checkpoint/zip_archive.h"

namespace ipirm::checkpoint {

// Names and shapes of some hundred thousand tensors.
constexpr size_t kMaxPickleBytes = size_t{32} << 20;

struct TorchParts {
  Pickle pickle;
  std::vector<Bytes> elements;  // of each of the pickle's storages, as many bytes as it takes
};

// The zip format, since PyTorch 1.6. file: the whole file, which must outlive the parts; path:
// named in messages. Throws UserError for whatever is cut short, damaged, or not written by
// torch.save.
TorchParts take_apart_zip(Bytes file, const std::string& path);

// The format before it, torch.save's _use_new_zipfile_serialization=False: four pickles (a magic
// number, the protocol, the byte order, the object), a fifth with the storages' keys, and then for
// each of these a count and its elements. There is no checksum in it.
TorchParts take_apart_legacy(Bytes file, const std::string& path);

}  // namespace ipirm::checkpoint
