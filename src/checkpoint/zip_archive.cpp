// Parses the zip directory (with its 64-bit extension) and checks every record (PKWARE's
// APPNOTE 6.3.10).
#include "checkpoint/zip_archive.h"

#include <zlib.h>

#include <string_view>

#include "checkpoint/byte_reader.h"
#include "checkpoint/text.h"
#include "ipirm/core/error.h"

namespace ipirm::checkpoint {
namespace {

using core::cat;
using core::UserError;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocatorSignature = 0x07064b50;
constexpr size_t kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;
constexpr uint32_t kIn64 = 0xffffffff;  // a 32-bit field whose value stands in the 64-bit extension
constexpr const char* kDamaged = "; the file is cut short or damaged: copy it anew";

struct Directory {
  uint64_t offset, size, entries;
};

struct Entry {
  std::string name;
  uint16_t flags, method;
  uint32_t crc;
  uint64_t stored_size, size, header_offset;
};

[[noreturn]] void fail(const std::string& place, const std::string& problem) {
  throw UserError(cat(place, ": ", problem, kDamaged));
}

void expect_signature(ByteReader& in, uint32_t expected, const char* what) {
  const auto position = in.position();
  const auto found = in.number<uint32_t>(what);
  if (found != expected) {
    fail(in.place(),
         cat(what, " at byte ", position, " of it begins with ", found, ", expected ", expected));
  }
}

Directory find_directory64(Bytes file, const std::string& path) {
  ByteReader locator(file.subspan(file.size() - kEndSize - kLocatorSize), path + ": zip64 locator");
  expect_signature(locator, kLocatorSignature, "the zip64 locator");
  locator.take(4, "a disk number");
  const auto offset = locator.number<uint64_t>("an offset");
  const uint64_t expected = file.size() - kEndSize - kLocatorSize - kEnd64Size;
  if (offset != expected) {
    fail(path, cat("zip64 directory end is said to lie at byte ", offset, ", expected ", expected));
  }
  ByteReader end(file.subspan(offset), path + ": zip64 directory end");
  expect_signature(end, kEnd64Signature, "the zip64 directory end");
  end.take(8 + 2 + 2 + 4 + 4 + 8, "the zip64 directory end");  // its size, versions, disks
  Directory directory{};
  directory.entries = end.number<uint64_t>("the number of entries");
  directory.size = end.number<uint64_t>("the directory's size");
  directory.offset = end.number<uint64_t>("the directory's offset");
  return directory;
}

Directory find_directory(Bytes file, const std::string& path) {
  if (file.size() < kEndSize)
    fail(path, cat("holds ", file.size(), " bytes, too few for a torch file"));
  ByteReader end(file.subspan(file.size() - kEndSize), path + ": zip directory end");
  expect_signature(end, kEndSignature, "the directory end");
  end.take(2 + 2 + 2, "disk numbers");
  Directory directory{};
  directory.entries = end.number<uint16_t>("the number of entries");
  directory.size = end.number<uint32_t>("the directory's size");
  directory.offset = end.number<uint32_t>("the directory's offset");
  if (end.number<uint16_t>("the comment's size") != 0)
    fail(end.place(), "has a comment, expected none");

  uint64_t limit = file.size() - kEndSize;
  if (limit >= kLocatorSize + kEnd64Size) {
    const uint64_t place = limit - kLocatorSize;
    ByteReader probe(file.subspan(place), path);
    if (probe.number<uint32_t>("a signature") == kLocatorSignature) {
      directory = find_directory64(file, path);
      limit = place - kEnd64Size;
    }
  }
  if (directory.offset > limit || directory.size != limit - directory.offset) {
    fail(path, cat("zip directory of ", directory.size, " bytes at byte ", directory.offset,
                   " does not end at byte ", limit));
  }
  return directory;
}

// Fills in sizes and offset that the 64-bit extension carries.
void read_extension(Bytes extra, const std::string& place, Entry& entry) {
  ByteReader in(extra, place);
  while (in.left() > 0) {
    const auto id = in.number<uint16_t>("an extra field");
    const auto size = in.number<uint16_t>("an extra field");
    ByteReader field(in.take(size, "an extra field"), place);
    if (id != 1) continue;
    for (uint64_t* value : {&entry.size, &entry.stored_size, &entry.header_offset}) {
      if (*value == kIn64) *value = field.number<uint64_t>("a zip64 field");
    }
  }
}

Entry read_entry(ByteReader& in) {
  expect_signature(in, kEntrySignature, "an entry");
  Entry entry{};
  in.take(2 + 2, "versions");
  entry.flags = in.number<uint16_t>("flags");
  entry.method = in.number<uint16_t>("the method");
  in.take(2 + 2, "time and date");
  entry.crc = in.number<uint32_t>("the CRC");
  entry.stored_size = in.number<uint32_t>("the stored size");
  entry.size = in.number<uint32_t>("the size");
  const auto name_size = in.number<uint16_t>("the name's size");
  const auto extra_size = in.number<uint16_t>("the extra fields' size");
  const auto comment_size = in.number<uint16_t>("the comment's size");
  in.take(2 + 2 + 4, "disk number and attributes");
  entry.header_offset = in.number<uint32_t>("the record's offset");
  const Bytes name = in.take(name_size, "the name");
  entry.name.assign(name.begin(), name.end());
  read_extension(in.take(extra_size, "extra fields"), in.place(), entry);
  in.take(comment_size, "a comment");
  return entry;
}

// The record's bytes. file: the archive up to its directory.
Bytes locate(Bytes file, const std::string& place, const Entry& entry) {
  if ((entry.flags & 1) != 0)
    throw UserError(cat(place, ": is encrypted, expected a plain record"));
  if (entry.method != 0 || entry.size != entry.stored_size) {
    throw UserError(cat(place, ": is compressed (method ", entry.method,
                        "), expected the uncompressed records of torch.save; save the file anew"));
  }
  if (entry.header_offset > file.size()) {
    fail(place, cat("is said to lie at byte ", entry.header_offset, ", behind the records' end"));
  }
  ByteReader in(file.subspan(entry.header_offset), place);
  expect_signature(in, kLocalSignature, "the record's header");
  in.take(2 + 2 + 2 + 2 + 2 + 4 + 4 + 4, "the record's header");
  const auto name_size = in.number<uint16_t>("the record's header");
  const auto extra_size = in.number<uint16_t>("the record's header");
  const Bytes name = in.take(name_size, "the record's name");
  const std::string local_name(name.begin(), name.end());
  if (local_name != entry.name) fail(place, cat("its own header names it ", printable(local_name)));
  in.take(extra_size, "extra fields");
  return in.take(entry.size, "the record");
}

}  // namespace

ZipArchive::ZipArchive(Bytes file, const std::string& path) {
  const Directory directory = find_directory(file, path);
  const Bytes records = file.first(directory.offset);
  ByteReader in(file.subspan(directory.offset, directory.size), path + ": zip directory");
  uint64_t room = records.size();  // what records may still take: none overlap
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(in);
    const std::string place = cat(path, ": record ", printable(entry.name));
    const Bytes bytes = locate(records, place, entry);
    if (bytes.size() > room) fail(place, "overlaps other records");
    room -= bytes.size();
    const auto crc = static_cast<uint32_t>(::crc32_z(0, bytes.data(), bytes.size()));
    if (crc != entry.crc) fail(place, cat("has CRC ", crc, ", expected ", entry.crc));
    if (!records_.emplace(entry.name, bytes).second) fail(place, "occurs twice");
  }
  if (in.left() > 0)
    fail(in.place(), cat(in.left(), " bytes follow its ", directory.entries, " entries"));
}

}  // namespace ipirm::checkpoint
