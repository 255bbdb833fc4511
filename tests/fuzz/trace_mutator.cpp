// SPDX-License-Identifier: Apache-2.0
// Changes that get behind a trace's lengths and checksums: the file is taken apart, one part of it
// is changed, and it is put together again so that only that part is odd.
#include <zstd.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtime/trace/format.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* bytes, size_t count, size_t most);

namespace {

using spillway::trace::BlockHead;
using spillway::trace::FileHead;

constexpr size_t kLargest = 1 << 16;  // of a part

struct Parts {
  std::string head;                 // JSON
  std::vector<std::string> blocks;  // as they are before compression
};

template <class Head>
bool take(const std::string& bytes, size_t* at, Head* head) {
  const auto magic = Head{}.magic;
  if (bytes.size() - *at < sizeof *head) return false;
  std::memcpy(head, bytes.data() + *at, sizeof *head);
  *at += sizeof *head;
  return head->magic == magic;
}

// False: it is no trace that can be taken apart.
bool split(const std::string& bytes, Parts* parts) {
  size_t at = 0;
  FileHead file;
  if (!take(bytes, &at, &file) || bytes.size() - at < file.head_bytes) return false;
  parts->head = bytes.substr(at, file.head_bytes);
  at += file.head_bytes;
  for (BlockHead block; take(bytes, &at, &block); at += block.packed_bytes) {
    if (bytes.size() - at < block.packed_bytes || block.raw_bytes > kLargest) return false;
    std::string raw(block.raw_bytes, '\0');
    if (ZSTD_decompress(raw.data(), raw.size(), bytes.data() + at, block.packed_bytes) !=
        raw.size())
      return false;
    parts->blocks.push_back(std::move(raw));
  }
  return true;
}

std::string join(const Parts& parts) {
  FileHead file;
  file.head_bytes = static_cast<uint32_t>(parts.head.size());
  std::string bytes(reinterpret_cast<const char*>(&file), sizeof file);
  bytes += parts.head;
  for (const std::string& raw : parts.blocks) {
    std::string packed(ZSTD_compressBound(raw.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
    BlockHead block;
    block.packed_bytes = static_cast<uint32_t>(packed.size());
    block.raw_bytes = static_cast<uint32_t>(raw.size());
    bytes.append(reinterpret_cast<const char*>(&block), sizeof block) += packed;
  }
  return bytes;
}

void mutate(std::string* part) {
  const size_t size = part->size();
  part->resize(std::min(kLargest, size + 64));
  part->resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(part->data()), std::min(size, kLargest),
                                part->size()));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t* bytes,
                                                                                 size_t count,
                                                                                 size_t most,
                                                                                 unsigned seed) {
  std::minstd_rand random(seed);
  Parts parts;
  if (random() % 4 == 0 || !split({reinterpret_cast<const char*>(bytes), count}, &parts))
    return LLVMFuzzerMutate(bytes, count, most);
  const size_t which = random() % (parts.blocks.size() + 2);
  if (which == 0)
    mutate(&parts.head);
  else if (which <= parts.blocks.size())
    mutate(&parts.blocks[which - 1]);
  else if (!parts.blocks.empty())  // some block once more, where it does not belong
    parts.blocks.insert(parts.blocks.begin() + random() % parts.blocks.size(),
                        std::string(parts.blocks[random() % parts.blocks.size()]));
  const std::string whole = join(parts);
  if (whole.size() > most) return LLVMFuzzerMutate(bytes, count, most);
  std::memcpy(bytes, whole.data(), whole.size());
  return whole.size();
}
