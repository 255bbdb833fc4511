// SPDX-License-Identifier: Apache-2.0
// From what a program hands to the driver (PTX text, fatbin, fatbin wrapper) to PTX text.
#include <fmt/format.h>
#include <zstd.h>

#include <cstring>

#include "tests/sim/ptx/module.h"

namespace sim::ptx {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;
constexpr uint32_t kContainerMagic = 0xBA55ED50;
constexpr uint32_t kElfMagic = 0x464C457F;
constexpr uint16_t kKindPtx = 1;
constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;
constexpr uint64_t kLargestText = uint64_t{1} << 30;

struct Wrapper {
  uint32_t magic, version;
  const void* container;
  const void* unused;
};

struct Container {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t payload_size;
};

struct Entry {
  uint16_t kind, version;
  uint32_t header_size;
  uint64_t payload_size;
  uint32_t compressed_size, reserved0;
  uint16_t minor, major;
  uint32_t arch;
  uint64_t reserved1;
  uint64_t flags;
  uint64_t reserved2;
  uint64_t uncompressed_size;
};
static_assert(sizeof(Entry) == 64);

template <class T>
T read(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// One LZ4 block: sequences of (literals, copy from earlier output).
bool lz4_block(const char* in, size_t size, std::string* out, size_t limit) {
  const auto* p = reinterpret_cast<const unsigned char*>(in);
  const auto* end = p + size;
  auto length = [&](unsigned nibble, size_t* total) {
    *total = nibble;
    if (nibble != 15) return true;
    for (;;) {
      if (p == end) return false;
      *total += *p;
      if (*p++ != 255) return true;
    }
  };
  while (p < end) {
    const unsigned token = *p++;
    size_t literals, match;
    if (!length(token >> 4, &literals)) return false;
    if (literals > static_cast<size_t>(end - p) || out->size() + literals > limit) return false;
    out->append(reinterpret_cast<const char*>(p), literals);
    p += literals;
    if (p == end) return true;  // the last sequence has no copy
    if (end - p < 2) return false;
    const size_t distance = p[0] | p[1] << 8;
    p += 2;
    if (!length(token & 15, &match)) return false;
    match += 4;
    if (distance == 0 || distance > out->size() || out->size() + match > limit) return false;
    for (size_t from = out->size() - distance; match--; ++from) out->push_back((*out)[from]);
  }
  return true;
}

bool unpack(const Entry& entry, const char* payload, std::string* text, std::string* message) {
  const size_t stored = entry.compressed_size && entry.compressed_size <= entry.payload_size
                            ? entry.compressed_size
                            : entry.payload_size;
  if (!(entry.flags & (kFlagZstd | kFlagLz4))) {
    text->assign(payload, entry.payload_size);
  } else if (entry.uncompressed_size > kLargestText) {
    *message = "fatbin: compressed PTX claims to be too large";
    return false;
  } else if (entry.flags & kFlagZstd) {
    text->resize(entry.uncompressed_size);
    // The payload is padded: the frame knows its own length.
    const size_t frame = ZSTD_findFrameCompressedSize(payload, entry.payload_size);
    const size_t got =
        ZSTD_isError(frame) ? frame : ZSTD_decompress(text->data(), text->size(), payload, frame);
    if (ZSTD_isError(got)) {
      *message = std::string("fatbin: zstd: ") + ZSTD_getErrorName(got);
      return false;
    }
    text->resize(got);
  } else if (!lz4_block(payload, stored, text, entry.uncompressed_size)) {
    *message = "fatbin: broken LZ4 block";
    return false;
  }
  if (const size_t end = text->find('\0'); end != std::string::npos) text->resize(end);
  return true;
}

LoadError from_container(const char* data, int compute, std::string* text, std::string* message) {
  const auto head = read<Container>(data);
  const char* at = data + head.header_size;
  const char* end = at + head.payload_size;
  if (head.header_size < sizeof(Container)) {
    *message = "fatbin: bad header";
    return LoadError::NotAnImage;
  }
  std::string found;
  Entry best{};
  const char* best_payload = nullptr;
  while (static_cast<size_t>(end - at) >= sizeof(Entry)) {
    const auto entry = read<Entry>(at);
    if (entry.header_size < sizeof(Entry) || entry.header_size > static_cast<size_t>(end - at) ||
        entry.payload_size > static_cast<size_t>(end - at) - entry.header_size) {
      *message = "fatbin: entry leaves the container";
      return LoadError::NotAnImage;
    }
    found += fmt::format(" {}_{}", entry.kind == kKindPtx ? "compute" : "sm", entry.arch);
    if (entry.kind == kKindPtx && entry.arch <= static_cast<uint32_t>(compute) &&
        (!best_payload || entry.arch > best.arch)) {
      best = entry;
      best_payload = at + entry.header_size;
    }
    at += entry.header_size + entry.payload_size;
  }
  if (!best_payload) {
    *message = fmt::format("no PTX for compute capability {}.{}; the image has:{}", compute / 10,
                           compute % 10, found.empty() ? " nothing" : found);
    return LoadError::NoImageForDevice;
  }
  return unpack(best, best_payload, text, message) ? LoadError::None : LoadError::NotAnImage;
}

}  // namespace

LoadError find_ptx(const void* data, int compute, std::string* text, std::string* message) {
  if (!data) {
    *message = "null image";
    return LoadError::NotAnImage;
  }
  const char* bytes = static_cast<const char*>(data);
  // Text may be shorter than a magic number, so look at one byte at a time.
  auto magic = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) {
      if (static_cast<unsigned char>(bytes[i]) != (value >> (8 * i) & 0xff)) return false;
    }
    return true;
  };
  if (magic(kWrapperMagic)) {
    bytes = static_cast<const char*>(read<Wrapper>(bytes).container);
    if (!bytes || !magic(kContainerMagic)) {
      *message = "fatbin wrapper without a container";
      return LoadError::NotAnImage;
    }
  }
  if (magic(kContainerMagic)) return from_container(bytes, compute, text, message);
  if (magic(kElfMagic)) {
    *message = "a cubin without PTX cannot run here";
    return LoadError::NoImageForDevice;
  }
  *text = bytes;
  if (text->find(".version") == std::string::npos) {
    *message = "neither PTX nor a fatbin";
    return LoadError::NotAnImage;
  }
  return LoadError::None;
}

}  // namespace sim::ptx
