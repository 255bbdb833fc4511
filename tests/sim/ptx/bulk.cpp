// SPDX-License-Identifier: Apache-2.0
// cp.async.bulk: plain bytes, and boxes of a tensor.
#include "tests/sim/ptx/bulk.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "tests/sim/ptx/warp.h"

namespace sim::ptx {
namespace {

constexpr unsigned kBulkAlign = 16, kBoxAlign = 128, kMapAlign = 64;
constexpr int kGranuleShift = 21;

[[noreturn]] void refuse(Warp& w, const char* why) {
  w.grid->message = why;
  stop(w, Outcome::IllegalInstruction, 0);
}

// Plain device memory, or pinned memory of the host.
char* global_memory(Warp& w, uint64_t address, unsigned align) {
  if (address % align) stop(w, Outcome::Misaligned, address);
  if (address >> 47) stop(w, Outcome::IllegalAddress, address);
  const bool inside = address - w.window_base < w.window_size;
  return reinterpret_cast<char*>(inside ? address + static_cast<uint64_t>(w.window_delta)
                                        : address);
}

void count(Warp& w, uint64_t address, uint64_t bytes, bool store) {
  const uint64_t offset = address - w.window_base;
  const bool remote =
      offset >= w.window_size ||
      (w.on_host && w.on_host[offset >> kGranuleShift].load(std::memory_order_relaxed));
  (store ? w.bytes_stored : w.bytes_loaded) += bytes;
  if (remote) (store ? w.link_stored : w.link_loaded) += bytes;
}

// A kernel's parameter, a constant, or anything in global memory.
TensorMap read_map(Warp& w, uint64_t address, int lane) {
  if (address % kMapAlign) stop(w, Outcome::Misaligned, address);
  const bool parameter = address - kParamWindow < kWindowSize;
  const uint64_t host = parameter
                            ? special_address(w, address, 128, lane)
                            : reinterpret_cast<uint64_t>(global_memory(w, address, kMapAlign));
  TensorMap map;
  std::memcpy(&map, reinterpret_cast<const void*>(host), sizeof map);
  return map;
}

// A box in shared memory, row after row, and the tensor around it.
struct Shape {
  uint32_t count[kTensorDimensions] = {1, 1, 1, 1, 1};  // elements of the box that are moved
  uint64_t stride[kTensorDimensions] = {};              // bytes in global memory
  uint32_t bytes = 0;
};

Shape shape_of(Warp& w, const TensorMap& map, unsigned dimensions) {
  if (map.seal != seal_of(map)) refuse(w, "no tensor map is there");
  if (map.rank != dimensions) refuse(w, "the tensor map has another number of dimensions");
  if (map.im2col || map.interleave) refuse(w, "not simulated: im2col, interleaved tensors");
  if (map.fill) refuse(w, "not simulated: NaN for what is out of bounds");
  Shape shape;
  shape.bytes = map.element;
  for (unsigned i = 0; i < dimensions; ++i) {
    // There is no step along the rows.
    const uint32_t step = i == 0 ? 1 : map.steps[i];
    shape.count[i] = (map.box[i] + step - 1) / step;
    shape.stride[i] = i == 0 ? map.element : uint64_t{map.strides_by_16[i - 1]} * 16;
    shape.bytes *= shape.count[i];
  }
  const uint32_t span = 16u << map.swizzle;
  if (map.swizzle && shape.count[0] * map.element != span)
    refuse(w, "not simulated: rows shorter than the swizzle");
  return shape;
}

// Which 16 bytes of 32, 64 or 128 they are depends on the row: address bits 4 to 6 are mixed with
// bits 7 to 9.
uint32_t swizzled(uint32_t offset, unsigned swizzle) {
  const uint32_t bits = (1u << swizzle) - 1;
  return offset ^ ((offset >> 7 & bits) << 4);
}

// What is out of bounds reads as zero, and is not written.
void move_box(Warp& w, const BulkCopy& copy) {
  const TensorMap& map = copy.map;
  const Shape shape = shape_of(w, map, copy.in->vec);
  const uint32_t rows = shape.bytes / (shape.count[0] * map.element);
  uint32_t to = copy.shared;
  for (uint32_t row = 0; row < rows; ++row) {
    uint64_t start = map.address;
    bool inside = true;
    for (uint32_t i = 1, rest = row; i < map.rank; rest /= shape.count[i], ++i) {
      const int64_t at = int64_t{copy.at[i]} + int64_t{rest % shape.count[i]} * map.steps[i];
      inside = inside && at >= 0 && at <= int64_t{map.dims_less_one[i]};
      start += static_cast<uint64_t>(at) * shape.stride[i];
    }
    for (uint32_t k = 0; k < shape.count[0]; ++k, to += map.element) {
      const int64_t at = int64_t{copy.at[0]} + k;
      char* const here = w.shared + swizzled(to, map.swizzle);
      if (!inside || at < 0 || at > int64_t{map.dims_less_one[0]}) {
        if (!copy.store) std::memset(here, 0, map.element);
        continue;
      }
      const uint64_t address = start + static_cast<uint64_t>(at) * map.element;
      char* const there = global_memory(w, address, 1);
      copy.store ? std::memcpy(there, here, map.element) : std::memcpy(here, there, map.element);
      count(w, address, map.element, copy.store);
    }
  }
}

void perform(const BulkCopy& copy) {
  Warp& w = *copy.warp;
  const Inst* const at = w.at;
  w.at = copy.in;  // a fault is the copy's
  if (copy.tensor) {
    move_box(w, copy);
  } else {
    char* const there = global_memory(w, copy.global, kBulkAlign);
    char* const here = w.shared + copy.shared;
    copy.store ? std::memcpy(there, here, copy.bytes) : std::memcpy(here, there, copy.bytes);
    count(w, copy.global, copy.bytes, copy.store);
  }
  w.at = at;
}

// Those that match happen, in the order of issue.
template <class Match>
void finish(Block& block, const Match& match) {
  auto& pending = block.copies.pending;
  for (size_t i = 0; i < pending.size();) {
    if (!match(pending[i])) {
      ++i;
      continue;
    }
    const BulkCopy copy = pending[i];
    pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
    perform(copy);
    if (!copy.store && block.alive) complete_transaction(*copy.warp, copy.mbarrier, copy.bytes);
  }
}

uint64_t wide(Warp& w, const Inst& in, uint32_t at, unsigned which, int lane) {
  return in.aux >> which & 1 ? lane_of<uint64_t>(w, at, lane) : lane_of<uint32_t>(w, at, lane);
}

}  // namespace

char* shared_memory(Warp& w, uint64_t address, bool generic, uint64_t bytes, unsigned align) {
  if (address - kSharedWindow < kWindowSize) {
    address -= kSharedWindow;
  } else if (generic) {
    stop(w, Outcome::IllegalAddress, address);
  }
  if (address % align) stop(w, Outcome::Misaligned, kSharedWindow + address);
  if (address > w.shared_size || w.shared_size - address < bytes)
    stop(w, Outcome::IllegalAddress, kSharedWindow + address);
  return w.shared + address;
}

const Inst* bulk_copy(Warp& w, const Inst* in) {
  w.at = in;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const int lane = std::countr_zero(left);
    BulkCopy copy;
    copy.warp = &w;
    copy.in = in;
    copy.thread = w.index * kLanes + static_cast<uint32_t>(lane);
    copy.store = in->flag;
    copy.tensor = in->vec != 0;
    copy.global = lane_of<uint64_t>(w, in->r[1], lane);
    if (copy.tensor) {
      copy.map = read_map(w, copy.global, lane);
      copy.bytes = shape_of(w, copy.map, in->vec).bytes;
      for (unsigned i = 0; i < in->vec; ++i) copy.at[i] = lane_of<int32_t>(w, in->r[4 + i], lane);
    } else {
      copy.bytes = lane_of<uint32_t>(w, in->r[2], lane);
      if (copy.bytes % kBulkAlign) stop(w, Outcome::Misaligned, copy.bytes);
      global_memory(w, copy.global, kBulkAlign);
    }
    const uint64_t shared = wide(w, *in, in->r[0], 0, lane);
    copy.shared = static_cast<uint32_t>(
        shared_memory(w, shared, false, copy.bytes, copy.tensor ? kBoxAlign : kBulkAlign) -
        w.shared);
    if (!copy.store) {
      const uint64_t mbarrier = wide(w, *in, in->r[3], 1, lane);
      copy.mbarrier = static_cast<uint32_t>(shared_memory(w, mbarrier, false, 8, 8) - w.shared);
    }
    w.block->copies.pending.push_back(copy);
  }
  return in + 1;
}

const Inst* bulk_group(Warp& w, const Inst* in) {
  w.at = in;
  BulkCopies& copies = w.block->copies;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const uint32_t thread = w.index * kLanes + static_cast<uint32_t>(std::countr_zero(left));
    uint32_t& groups = copies.groups[thread];
    if (!in->flag) {
      ++groups;
      for (BulkCopy& copy : copies.pending)
        if (copy.thread == thread && copy.store && copy.group == 0) copy.group = groups;
      continue;
    }
    const auto left_over = static_cast<uint64_t>(in->imm);
    finish(*w.block, [&](const BulkCopy& copy) {
      return copy.thread == thread && copy.group && copy.group + left_over <= groups;
    });
  }
  return in + 1;
}

void finish_copies_for(Block& block, uint32_t mbarrier) {
  finish(block, [&](const BulkCopy& copy) { return !copy.store && copy.mbarrier == mbarrier; });
}

void finish_copies(Block& block) {
  finish(block, [](const BulkCopy&) { return true; });
}

}  // namespace sim::ptx
