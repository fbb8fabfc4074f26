// Weights in PyTorch's own file format: what torch.save writes and torch.load(weights_only=True)
// reads.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace ipirm::checkpoint {

// Tensors with their names, in the order of the file.
using StateDict = std::vector<std::pair<std::string, torch::Tensor>>;

// Writes a flat dictionary of tensors, atomically, in C order. Tensors may lie on any device; each
// is copied to the CPU in its turn. Names differ; dtypes are float16/32/64, bfloat16, int8..64,
// uint8 or bool. Throws UserError if the file cannot be written. Format: src/checkpoint/FORMAT.md.
void write_torch_file(const std::filesystem::path& path, const StateDict& tensors);

// A state_dict as a file holds it.
struct TorchContent {
  StateDict tensors;
  std::string container;  // the keys that lead to it, "model.state_dict"; "" if it is the outermost
  // Its entries that are no tensors: names, and "an int" or "an object of 'numpy.ndarray'".
  std::vector<std::pair<std::string, std::string>> others;
};

// Reads a state_dict: OrderedDict or dict of tensors, possibly nested (twice at most) under
// "state_dict", "model", "model_state_dict", "net" or "network", whatever lies beside it left
// unread; CPU tensors of the file's dtypes (those above) and strides, without gradient. Tensors
// that share their storage in the file share memory with each other, never with the file. Reads the
// zip format and the one before PyTorch 1.6. A restricted unpickler: knows the opcodes that
// torch.save writes and the globals of a state_dict; what any other would make is named where it is
// asked for, and nothing is run. Checks every record's CRC (the older format has none). Throws
// UserError naming file, place, found and expected.
TorchContent read_torch_content(const std::filesystem::path& path);

// Reads the same and returns the tensors alone.
StateDict read_torch_file(const std::filesystem::path& path);

// The module's parameters and buffers themselves (detached, no copies) under `prefix` + name, in
// PyTorch's order: module by module, parameters before buffers ("module." is the reference's
// prefix).
StateDict state_dict(const torch::nn::Module& module, const std::string& prefix = "module.");

// Copies tensors into the module's parameters and buffers by name, a leading "module." aside;
// dtypes are converted. num_batches_tracked may be absent and is then left as it is. Throws
// UserError that lists the first names that are missing or unexpected and the first shapes that
// differ, and changes nothing then; `source` is named in it.
void load_state_dict(torch::nn::Module& module, const StateDict& tensors,
                     const std::filesystem::path& source);

// Does the same to the tensors that are named, whoever owns them: those of a part of a module, say,
// or of one under the names of another program.
void copy_by_name(const StateDict& into, const StateDict& tensors,
                  const std::filesystem::path& source);

}  // namespace ipirm::checkpoint
