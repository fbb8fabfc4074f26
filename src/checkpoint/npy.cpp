// numpy's .npy format (numpy.lib.format): a magic number, a Python literal as header, the elements.
#include "ipirm/checkpoint/npy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/byte_reader.h"
#include "checkpoint/dtypes.h"
#include "checkpoint/layout.h"
#include "checkpoint/text.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = size_t{1} << 16;
constexpr size_t kAlignment = 64;

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Parses {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and nothing else.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string path) : text_(text), path_(std::move(path)) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      entry(header);
      if (!accept(',') && !next_is('}')) fail("',' or '}'");
    }
    skip_spaces();
    if (position_ != text_.size()) fail("the end");
    if (!header.descr) missing("descr");
    if (!header.fortran_order) missing("fortran_order");
    if (!header.shape) missing("shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const char* expected) const {
    throw UserError(
        cat(path_, ": .npy header, character ", position_, ": found ",
            position_ < text_.size() ? printable(text_.substr(position_, 20)) : "its end",
            ", expected ", expected));
  }
  [[noreturn]] void missing(const char* key) const {
    throw UserError(
        cat(path_, ": .npy header has no '", key, "', expected descr, fortran_order and shape"));
  }

  void skip_spaces() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n'))
      ++position_;
  }
  bool next_is(char c) {
    skip_spaces();
    return position_ < text_.size() && text_[position_] == c;
  }
  bool accept(char c) {
    if (!next_is(c)) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    const char what[] = {'\'', c, '\'', '\0'};
    if (!accept(c)) fail(what);
  }

  void entry(Header& header) {
    const size_t start = position_;
    const std::string key = string();
    expect(':');
    if (key == "descr" && !header.descr) {
      header.descr = string();
    } else if (key == "fortran_order" && !header.fortran_order) {
      header.fortran_order = boolean();
    } else if (key == "shape" && !header.shape) {
      header.shape = tuple();
    } else {
      position_ = start;
      fail("each of 'descr', 'fortran_order' and 'shape' once");
    }
  }

  std::string string() {
    const char quote = next_is('"') ? '"' : '\'';
    if (!accept(quote)) fail("a string (structured arrays are not read)");
    const size_t end = text_.find(quote, position_);
    if (end == std::string_view::npos) fail("a closing quote");
    const std::string value(text_.substr(position_, end - position_));
    position_ = end + 1;
    return value;
  }

  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!text_.substr(position_).starts_with(word)) continue;
      position_ += word.size();
      return value;
    }
    fail("True or False");
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!accept(')')) {
      if (values.size() == kMaxDimensions) fail("at most 64 dimensions");
      values.push_back(number());
      if (!accept(',') && (values.size() == 1 || !next_is(')'))) fail("','");
    }
    return values;
  }

  int64_t number() {
    skip_spaces();
    int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail("a size of at most 63 bits");
    position_ += static_cast<size_t>(end - begin);
    return value;
  }

  std::string_view text_;
  std::string path_;
  size_t position_ = 0;
};

// Reads magic number, version and header; leaves `in` at the elements.
Header read_header(ByteReader& in) {
  const auto magic = in.take(kMagic.size(), "the magic number");
  if (!std::equal(magic.begin(), magic.end(), reinterpret_cast<const uint8_t*>(kMagic.data()))) {
    throw UserError(
        cat(in.place(), ": does not begin with the .npy magic number; save it with numpy.save"));
  }
  const int major = in.number<uint8_t>("the version"), minor = in.number<uint8_t>("the version");
  if (major < 1 || major > 3 || minor != 0) {
    throw UserError(
        cat(in.place(), ": is .npy version ", major, ".", minor, ", expected 1.0, 2.0 or 3.0"));
  }
  const uint32_t size = major == 1 ? in.number<uint16_t>("the header's size")
                                   : in.number<uint32_t>("the header's size");
  if (size > kMaxHeaderBytes) {
    throw UserError(
        cat(in.place(), ": .npy header of ", size, " bytes, expected at most ", kMaxHeaderBytes));
  }
  const auto bytes = in.take(size, "the .npy header");
  return HeaderParser({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, in.place())
      .parse();
}

const Dtype& parse_descr(const std::string& descr, const std::string& path) {
  std::string known;
  for (const Dtype& dtype : kDtypes) {
    if (dtype.npy == nullptr) continue;
    if (descr == dtype.npy ||
        (c10::elementSize(dtype.type) == 1 && descr == cat("<", dtype.npy + 1)))
      return dtype;
    known += cat(known.empty() ? "" : ", ", dtype.npy);
  }
  throw UserError(cat(path, ": holds elements of type ", printable(descr), ", expected one of ",
                      known, "; convert it with numpy's astype"));
}

}  // namespace

torch::Tensor read_npy(const std::filesystem::path& path) {
  const core::MappedFile file(path);
  ByteReader in(file.bytes(), path.string());
  Header header = read_header(in);
  const Dtype& dtype = parse_descr(*header.descr, in.place());
  std::vector<int64_t>& shape = *header.shape;
  const auto numel = checked_numel(shape);
  const uint64_t found = in.left();
  if (!numel || static_cast<uint64_t>(*numel) * c10::elementSize(dtype.type) != found) {
    throw UserError(cat(in.place(), ": holds ", found,
                        " bytes of elements, expected an array of shape ", at::IntArrayRef(shape),
                        " and type ", dtype.npy, "; it is cut short or damaged: copy it anew"));
  }
  const auto elements = in.take(found, "the elements");
  if (dtype.type == torch::kBool &&
      std::any_of(elements.begin(), elements.end(), [](uint8_t b) { return b > 1; })) {
    throw UserError(cat(in.place(), ": holds bools that are neither 0 nor 1"));
  }
  if (*header.fortran_order) std::reverse(shape.begin(), shape.end());
  torch::Tensor array = at::empty(shape, dtype.type);
  if (found > 0) std::memcpy(array.data_ptr(), elements.data(), found);
  if (!*header.fortran_order) return array;
  std::vector<int64_t> order(shape.size());
  std::iota(order.rbegin(), order.rend(), int64_t{0});
  return array.permute(order).contiguous();
}

void write_npy(const std::filesystem::path& path, torch::IntArrayRef shape, torch::ScalarType dtype,
               const std::function<void(const AppendBlock&)>& fill) {
  const Dtype* known = find_dtype(dtype);
  TORCH_CHECK(known != nullptr && known->npy != nullptr, ".npy has no dtype ", dtype);
  std::string header = cat("{'descr': '", known->npy, "', 'fortran_order': False, 'shape': (");
  for (size_t d = 0; d < shape.size(); ++d) header += cat(d == 0 ? "" : ", ", shape[d]);
  header += shape.size() == 1 ? ",), }" : "), }";
  const size_t preamble = kMagic.size() + 2 + 2;  // version, header's size
  const size_t whole = (preamble + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(whole - preamble - 1, ' ');
  header += '\n';
  TORCH_CHECK(header.size() < kMaxHeaderBytes,
              "array has too many dimensions for .npy version 1.0");

  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  start += header;
  core::write_atomically(path, [&](core::FileWriter& file) {
    file.write(start.data(), start.size());
    int64_t written = 0;
    fill([&](const torch::Tensor& block) {
      TORCH_CHECK(block.scalar_type() == dtype, "block of ", block.scalar_type(), ", not ", dtype);
      const torch::Tensor elements = block.detach().to(torch::kCPU).contiguous();
      if (elements.numel() > 0) file.write(elements.data_ptr(), elements.nbytes());
      written += elements.numel();
    });
    TORCH_CHECK(written == c10::multiply_integers(shape), written, " elements for ", shape);
  });
}

void write_npy(const std::filesystem::path& path, const torch::Tensor& array) {
  TORCH_CHECK(array.defined(), "array is undefined");
  write_npy(path, array.sizes(), array.scalar_type(),
            [&](const AppendBlock& append) { append(array); });
}

}  // namespace ipirm::checkpoint
