// Writes PyTorch's zip-and-pickle file, record by record, so that one tensor at a time is copied
// from its device.
#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>

#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>

#include "checkpoint/dtypes.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;

// Composes the pickle (protocol 2) of {name: torch._utils._rebuild_tensor_v2(...), ...}: the bytes
// that torch.save writes, less its memo of repeated strings.
class PickleWriter {
 public:
  PickleWriter() { bytes_ += "\x80\x02}("; }  // PROTO 2, EMPTY_DICT, MARK

  // key: record data/KEY holds the tensor's elements in C order.
  void add(const std::string& name, const torch::Tensor& tensor, const Dtype& dtype,
           const std::string& key) {
    text(name);
    // GLOBAL, MARK of the arguments, MARK of the storage's id.
    bytes_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    text("storage");
    bytes_ += cat("ctorch\n", dtype.storage, "\n");
    text(key);
    text("cpu");
    integer(tensor.numel());
    bytes_ += "tQ";  // TUPLE, BINPERSID
    integer(0);      // offset
    integers(tensor.sizes());
    integers(c10::contiguous_strides(tensor.sizes()));
    bytes_ +=
        "\x89"
        "ccollections\nOrderedDict\n)RtR";  // requires_grad False, no hooks; TUPLE, REDUCE
  }

  std::string finish() { return bytes_ + "u."; }  // SETITEMS, STOP

 private:
  void little_endian(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  void text(std::string_view value) {
    bytes_ += 'X';  // BINUNICODE
    little_endian(value.size(), 4);
    bytes_ += value;
  }
  void integer(int64_t value) {
    const bool is_short = value <= std::numeric_limits<int32_t>::max();
    bytes_ += is_short ? "J" : "\x8a\x08";  // BININT, or LONG1 of 8 bytes
    little_endian(static_cast<uint64_t>(value), is_short ? 4 : 8);
  }
  void integers(at::IntArrayRef values) {
    bytes_ += '(';
    for (const int64_t value : values) integer(value);
    bytes_ += 't';
  }

  std::string bytes_;
};

// Where PyTorchStreamWriter's bytes go. Its destructor writes too, and an exception out of there
// would end the process: so a failure is kept, all that follows is dropped, and check() throws.
class Sink {
 public:
  explicit Sink(core::FileWriter& file) : file_(file) {}
  size_t write(const void* data, size_t size) noexcept {
    try {
      if (failure_ == nullptr) file_.write(data, size);
    } catch (...) {
      failure_ = std::current_exception();
    }
    return size;
  }
  void check() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  core::FileWriter& file_;
  std::exception_ptr failure_;
};

std::string compose_pickle(const StateDict& tensors) {
  PickleWriter pickle;
  std::unordered_set<std::string_view> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    TORCH_CHECK(tensor.defined(), "tensor '", name, "' is undefined");
    const Dtype* dtype = find_dtype(tensor.scalar_type());
    TORCH_CHECK(dtype != nullptr, "tensor '", name,
                "' has a dtype that is not written: ", tensor.scalar_type());
    TORCH_CHECK(names.insert(name).second, "two tensors are named '", name, "'");
    pickle.add(name, tensor, *dtype, std::to_string(i));
  }
  return pickle.finish();
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const StateDict& tensors) {
  const std::string pickle = compose_pickle(tensors);
  constexpr std::string_view kByteOrder = "little";
  core::write_atomically(path, [&](core::FileWriter& file) {
    Sink sink(file);
    caffe2::serialize::PyTorchStreamWriter archive(
        [&sink](const void* data, size_t size) { return sink.write(data, size); });
    const auto record = [&](const std::string& name, const void* data, size_t size) {
      archive.writeRecord(name, data, size);
      sink.check();
    };
    record("data.pkl", pickle.data(), pickle.size());
    record("byteorder", kByteOrder.data(), kByteOrder.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const torch::Tensor elements = tensors[i].second.detach().to(torch::kCPU).contiguous();
      const void* data = elements.numel() > 0 ? elements.data_ptr() : "";
      record(cat("data/", i), data, elements.nbytes());
    }
    archive.writeEndOfFile();
    sink.check();
  });
}

}  // namespace ipirm::checkpoint
