// SPDX-License-Identifier: Apache-2.0
// Device functions that the driver provides. printf goes to stdout at once, in whole calls; the
// device heap is host memory, which kernels reach at its own address.
#include "tests/sim/ptx/builtin.h"

#include <fmt/format.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "tests/sim/ptx/device_call.h"

namespace sim::ptx {
namespace {

enum class Builtin {
  Vprintf,
  Assertfail,
  Malloc,
  Free,
  SetConditional,
  NodeSetParam,
  NodeSetEnabled,
  NodeSetGridDim,
  NodeUpdatesApply
};
constexpr std::string_view kNames[] = {"vprintf",
                                       "__assertfail",
                                       "malloc",
                                       "free",
                                       "cudaGraphSetConditional",
                                       "cudaGraphKernelNodeSetParam",
                                       "cudaGraphKernelNodeSetEnabled",
                                       "cudaGraphKernelNodeSetGridDim",
                                       "cudaGraphKernelNodeUpdatesApply"};
DeviceCalls calls;
constexpr uint32_t kInvalidValue = 1;  // cudaErrorInvalidValue

struct Heap {
  std::mutex mutex;
  std::set<void*> live;
};
Heap& heap() {
  static auto* heap = new Heap;  // leaked: device work may outlive static destructors
  return *heap;
}

template <class T>
T read(Warp& w, uint64_t address, int lane) {
  uint64_t host = address;
  if (address >> 47) {
    host = special_address(w, address, sizeof(T), lane);
  } else if (address - w.window_base < w.window_size) {
    host = address + static_cast<uint64_t>(w.window_delta);
  }
  T value;
  auto* to = reinterpret_cast<char*>(&value);
  for (size_t i = 0; i < sizeof(T); ++i) to[i] = reinterpret_cast<const volatile char*>(host)[i];
  return value;
}

void read_string(Warp& w, uint64_t address, int lane, char* out, size_t room) {
  size_t n = 0;
  while (n + 1 < room) {
    char c = read<char>(w, address + n, lane);
    if (!c) break;
    out[n++] = c;
  }
  out[n] = 0;
}

constexpr size_t kText = 4096;

// Appends one conversion; `spec` is its text from % to the letter, without length modifiers.
size_t format_one(Warp& w, int lane, char* spec, size_t length, uint64_t* at, char* out,
                  size_t room) {
  const char kind = spec[length - 1];
  auto next = [&]<class T>(T) {  // arguments are aligned to their size: 4 or 8
    *at = (*at + sizeof(T) - 1) & ~(sizeof(T) - 1);
    T v = read<T>(w, *at, lane);
    *at += sizeof(T);
    return v;
  };
  // The length modifiers sit before the letter; 8-byte arguments come with l, ll, z, j, t or as p,
  // s, f.
  char clean[64];
  size_t n = 0;
  bool wide = false;
  for (size_t i = 0; i + 1 < length && n < sizeof clean - 4; ++i) {
    if (std::strchr("lzjt", spec[i])) {
      wide = true;
    } else if (spec[i] == '*') {
      n += static_cast<size_t>(
          std::snprintf(clean + n, sizeof clean - 4 - n, "%d", next(int32_t{})));
    } else if (spec[i] != 'h' && spec[i] != 'L') {
      clean[n++] = spec[i];
    }
  }
  if (std::strchr("diouxX", kind)) {
    clean[n++] = 'l';
    clean[n++] = 'l';
  }
  clean[n++] = kind;
  clean[n] = 0;
  int got = 0;
  switch (kind) {
    case 'd':
    case 'i':
      got = wide ? std::snprintf(out, room, clean, static_cast<long long>(next(int64_t{})))
                 : std::snprintf(out, room, clean, static_cast<long long>(next(int32_t{})));
      break;
    case 'o':
    case 'u':
    case 'x':
    case 'X':
      got =
          wide ? std::snprintf(out, room, clean, static_cast<unsigned long long>(next(uint64_t{})))
               : std::snprintf(out, room, clean, static_cast<unsigned long long>(next(uint32_t{})));
      break;
    case 'c':
      got = std::snprintf(out, room, clean, next(int32_t{}));
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
      got = std::snprintf(out, room, clean, next(double{}));
      break;
    case 'p':
      got = std::snprintf(out, room, clean, reinterpret_cast<void*>(next(uint64_t{})));
      break;
    case 's': {
      char text[kText];
      read_string(w, next(uint64_t{}), lane, text, sizeof text);
      got = std::snprintf(out, room, clean, text);
      break;
    }
    default:
      got = std::snprintf(out, room, "%s", clean);
      break;
  }
  return got < 0 ? 0 : std::min(static_cast<size_t>(got), room - 1);
}

int print(Warp& w, int lane, uint64_t format_at, uint64_t arguments) {
  char format[kText], out[2 * kText];
  read_string(w, format_at, lane, format, sizeof format);
  size_t n = 0;
  int conversions = 0;
  for (const char* p = format; *p && n + 1 < sizeof out;) {
    if (*p != '%') {
      out[n++] = *p++;
      continue;
    }
    if (p[1] == '%') {
      out[n++] = '%';
      p += 2;
      continue;
    }
    size_t length = 1;
    while (p[length] && !std::isalpha(static_cast<unsigned char>(p[length]))) ++length;
    while (p[length] && std::strchr("hlLzjt", p[length])) ++length;
    if (!p[length] || length > 40) break;
    char spec[64];
    std::memcpy(spec, p, ++length);
    n += format_one(w, lane, spec, length, &arguments, out + n, sizeof out - n);
    ++conversions;
    p += length;
  }
  std::fwrite(out, 1, n, stdout);
  return conversions;
}

[[noreturn]] void assert_failed(Warp& w, int lane, uint64_t message, uint64_t file, uint32_t line,
                                uint64_t function) {
  char text[3][1024];
  read_string(w, message, lane, text[0], sizeof text[0]);
  read_string(w, file, lane, text[1], sizeof text[1]);
  read_string(w, function, lane, text[2], sizeof text[2]);
  const Dim& b = w.block->index;
  w.grid->message = fmt::format(
      "{}:{}: {}: block: [{},{},{}], thread: [{},{},{}] Assertion `{}` failed.", text[1], line,
      text[2], b.x, b.y, b.z, w.tid[0][lane], w.tid[1][lane], w.tid[2][lane], text[0]);
  std::fprintf(stderr, "%s\n", w.grid->message.c_str());
  stop(w, Outcome::Trap, 0);
}

}  // namespace

void set_device_calls(const DeviceCalls& fresh) {
  calls = fresh;
}

const DeviceCalls& device_calls() {
  return calls;
}

namespace {

uint32_t update_node(Warp& w, uint64_t node, const NodeUpdate& update) {
  if (!calls.update_node) stop(w, Outcome::Trap, node);
  return calls.update_node(node, update);
}

uint32_t set_parameter(Warp& w, int lane, uint64_t node, uint64_t offset, uint64_t value,
                       uint64_t size) {
  char bytes[kText];
  if (size > sizeof bytes) return kInvalidValue;
  for (uint64_t i = 0; i < size; ++i) bytes[i] = read<char>(w, value + i, lane);
  NodeUpdate update;
  update.kind = NodeUpdate::Kind::Parameter;
  update.offset = offset;
  update.value = bytes;
  update.size = size;
  return update_node(w, node, update);
}

uint32_t set_enabled(Warp& w, uint64_t node, bool enabled) {
  NodeUpdate update;
  update.kind = NodeUpdate::Kind::Enabled;
  update.enabled = enabled;
  return update_node(w, node, update);
}

uint32_t set_grid(Warp& w, uint64_t node, const Dim& grid) {
  NodeUpdate update;
  update.kind = NodeUpdate::Kind::Grid;
  update.grid = grid;
  return update_node(w, node, update);
}

// struct cudaGraphKernelNodeUpdate: node at 0, field at 8, the union of the three at 16.
uint32_t apply_updates(Warp& w, int lane, uint64_t at, uint64_t count) {
  constexpr uint64_t kBytes = 40;
  enum Field { kGrid = 1, kParam = 2, kEnabled = 3 };
  for (; count--; at += kBytes) {
    const auto node = read<uint64_t>(w, at, lane);
    uint32_t status = kInvalidValue;
    switch (read<uint32_t>(w, at + 8, lane)) {
      case kGrid:
        status = set_grid(w, node, read<Dim>(w, at + 16, lane));
        break;
      case kParam:
        status = set_parameter(w, lane, node, read<uint64_t>(w, at + 24, lane),
                               read<uint64_t>(w, at + 16, lane), read<uint64_t>(w, at + 32, lane));
        break;
      case kEnabled:
        status = set_enabled(w, node, read<uint32_t>(w, at + 16, lane) != 0);
        break;
    }
    if (status) return status;
  }
  return 0;
}

}  // namespace

int find_builtin(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<int>(i);
  }
  return -1;
}

void call_builtin(Warp& w, const CallSite& site) {
  for (uint32_t mask = w.mask; mask; mask &= mask - 1) {
    const int lane = std::countr_zero(mask);
    char* local = w.local + static_cast<uint64_t>(lane) * w.local_stride + w.local_base;
    auto argument = [&](size_t k) {
      uint64_t value = 0;
      if (k < site.arguments.size())
        std::memcpy(&value, local + site.arguments[k].from, std::min(8u, site.arguments[k].bytes));
      return value;
    };
    uint64_t result = 0;
    switch (static_cast<Builtin>(site.builtin)) {
      case Builtin::Vprintf:
        result = static_cast<uint64_t>(print(w, lane, argument(0), argument(1)));
        break;
      case Builtin::Assertfail:
        assert_failed(w, lane, argument(0), argument(1), static_cast<uint32_t>(argument(2)),
                      argument(3));
      case Builtin::Malloc: {
        void* p = std::aligned_alloc(16, (argument(0) + 15) & ~uint64_t{15});
        std::lock_guard lock(heap().mutex);
        if (p) heap().live.insert(p);
        result = reinterpret_cast<uint64_t>(p);
        break;
      }
      case Builtin::Free: {
        void* p = reinterpret_cast<void*>(argument(0));
        if (!p) break;
        bool known;
        {
          std::lock_guard lock(heap().mutex);
          known = heap().live.erase(p) == 1;
        }
        if (!known) {
          w.grid->message = "free() of a pointer that malloc() did not return";
          stop(w, Outcome::Trap, argument(0));
        }
        std::free(p);
        break;
      }
      case Builtin::SetConditional:
        if (!calls.set_conditional ||
            !calls.set_conditional(argument(0), static_cast<uint32_t>(argument(1)))) {
          w.grid->message = "cudaGraphSetConditional() of a handle that is not of this context";
          stop(w, Outcome::Trap, argument(0));
        }
        break;
      case Builtin::NodeSetParam:
        result = set_parameter(w, lane, argument(0), argument(1), argument(2), argument(3));
        break;
      case Builtin::NodeSetEnabled:
        result = set_enabled(w, argument(0), (argument(1) & 0xff) != 0);
        break;
      case Builtin::NodeSetGridDim: {
        Dim grid;
        if (site.arguments.size() > 1)
          std::memcpy(&grid, local + site.arguments[1].from, sizeof grid);
        result = set_grid(w, argument(0), grid);
        break;
      }
      case Builtin::NodeUpdatesApply:
        result = apply_updates(w, lane, argument(0), argument(1));
        break;
    }
    if (!site.results.empty())
      std::memcpy(local + site.results[0].from, &result, std::min(8u, site.results[0].bytes));
  }
}

}  // namespace sim::ptx
