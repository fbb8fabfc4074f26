// UserError: a failure that the user can mend; WriteError among them; and cat(), which builds their
// one-line message.
#pragma once

#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ipirm::core {

// Thrown for a bad flag, file, checkpoint or setting. The message is one line: what was wrong,
// where (file, place), what was found and expected, and what to do. Programs print it on stderr and
// exit with 2. Everything else that is thrown is a fault of the program: exit 1.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A file of ours could not be written (a full disk, say): what is in memory is ahead of what is
// kept.
class WriteError : public UserError {
 public:
  using UserError::UserError;
};

// The arguments, streamed one after the other: cat("batch ", 3) is "batch 3".
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

// What an exception says, without the call stack that PyTorch's exceptions carry below their first
// line.
std::string first_line(const std::exception& error);

// Whether it says that a device's memory ran out. PyTorch has a type for that, but not where cuDNN
// or cuBLAS wanted the memory: then the words are all there is.
bool tells_of_device_memory(const std::exception& error);

// For "did you mean" hints: the shortest name that begins with `word`, since people leave out ends;
// otherwise the nearest by edit distance, or "" if none is within a third of the word's length (at
// least 2 edits).
std::string nearest_name(std::string_view word, const std::vector<std::string>& names);

}  // namespace ipirm::core
