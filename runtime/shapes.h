// SPDX-License-Identifier: Apache-2.0
// Which bytes a copy or a fill of more than one dimension names, and lists of them of any length.
#pragma once

#include <cuda.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <span>

#include "runtime/access.h"

namespace spillway {

// An Access of 0 bytes means "all of its range" to the Manager; a copy of 0 bytes names nothing.
inline Access access_of(CUdeviceptr address, size_t bytes) {
  return bytes != 0 ? Access{address, bytes} : Access{};
}

// From the first to the last byte of a box in memory laid out in rows and layers. A box in one row
// or one layer may come with no pitch or layer height.
struct Box {
  size_t x = 0, y = 0, z = 0;               // where it begins; x in bytes
  size_t width = 0, height = 1, depth = 1;  // width in bytes
  size_t pitch = 0, layer_height = 0;       // of the memory around it; pitch in bytes
};

inline Access access_of(CUdeviceptr base, const Box& box) {
  if (box.width == 0 || box.height == 0 || box.depth == 0) return {};
  const size_t first = (box.z * box.layer_height + box.y) * box.pitch + box.x;
  const size_t rows = (box.depth - 1) * box.layer_height + (box.height - 1);
  return {base + first, rows * box.pitch + box.width};
}

// What the parts of a batch are or do. Short ones need no memory.
template <class Item>
class List {
 public:
  // False when there is no memory for so many.
  bool reserve(size_t count) {
    if (count <= kInline) return true;
    if (count > SIZE_MAX / sizeof(Item)) return false;
    items_ = static_cast<Item*>(std::malloc(count * sizeof(Item)));
    return items_ != nullptr;
  }
  void add(const Item& item) { items_[size_++] = item; }
  std::span<const Item> span() const { return {items_, size_}; }

  List() = default;
  ~List() {
    if (items_ != inline_) std::free(items_);
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

 private:
  static constexpr size_t kInline = 32;
  Item inline_[kInline];
  Item* items_ = inline_;
  size_t size_ = 0;
};

class AccessList : public List<Access> {
 public:
  void add(Access access) {
    if (access.address != 0) List::add(access);
  }
};

}  // namespace spillway
