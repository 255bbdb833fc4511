// SPDX-License-Identifier: Apache-2.0
// The window: the addresses themselves, which a host thread may not touch, and behind them once
// more as much for each device, where the bytes that it may access are.
#include "tests/sim/driver/window.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/report.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SIM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SIM_SANITIZED 1
#endif
#endif

namespace sim {
namespace {

#ifdef SIM_SANITIZED  // the sanitizer's shadow leaves room for little
constexpr int kLargestShift = 37;
#else
constexpr int kLargestShift = 43;
#endif
constexpr int kSmallestShift = 34;

struct Addresses {
  std::mutex mutex;
  FreeRanges free;
};

Addresses& addresses() {
  static auto* all = new Addresses{{}, FreeRanges(window().base, window().size)};
  return *all;
}

constexpr int kPlaceShift = 21;  // ptx::Window::on_host

// Zero pages of the system: most are never touched.
std::atomic<uint8_t>* new_places(size_t count) {
  void* got = mmap(nullptr, count, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return got == MAP_FAILED ? nullptr : static_cast<std::atomic<uint8_t>*>(got);
}

bool replace(uint64_t at, const Backing* backing, size_t bytes, Access access) {
  int protection = PROT_NONE;
  if (access != Access::None) protection |= PROT_READ;
  if (access == Access::ReadWrite) protection |= PROT_WRITE;
  const int flags =
      backing ? MAP_SHARED | MAP_FIXED : MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE;
  // What is small is soon touched throughout, and one call is far cheaper than a fault a page.
  constexpr size_t kPopulated = 32 << 20;
  const bool populate =
      backing && backing->store != kHost && access == Access::ReadWrite && bytes <= kPopulated;
  void* got =
      mmap(reinterpret_cast<void*>(at), bytes, protection, populate ? flags | MAP_POPULATE : flags,
           backing ? backing->file : -1, backing ? static_cast<off_t>(backing->offset) : 0);
  if (got != MAP_FAILED) return true;
  static std::once_flag once;
  std::call_once(
      once, [] { complain("the system refuses more memory mappings (see vm.max_map_count)"); });
  return false;
}

}  // namespace

const ptx::Window& window(int device) {
  static const auto* const all = [] {
    constexpr uint64_t kAlign = 2 << 20;
    const auto devices = static_cast<uint64_t>(std::max(device_count(), 1));
    for (int shift = kLargestShift; shift >= kSmallestShift; --shift) {
      const uint64_t size = 1ull << shift;
      const uint64_t whole = (1 + devices) * size + kAlign;
      void* got =
          mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (got == MAP_FAILED) continue;
      madvise(got, whole, MADV_DONTDUMP);  // huge files of zeros are not wanted in a core dump
      auto* windows = new std::vector<ptx::Window>;
      const uint64_t base = round_up(reinterpret_cast<uint64_t>(got), kAlign);
      const auto* const places = new_places(size >> kPlaceShift);
      for (uint64_t i = 0; i < devices; ++i) {
        windows->push_back({base, size, static_cast<int64_t>((1 + i) * size), places});
      }
      return windows;
    }
    complain("no address space for a window");
    abort();
  }();
  return (*all)[static_cast<size_t>(device)];
}

CUdeviceptr take_addresses(size_t bytes, size_t align) {
  if (bytes > window().size) return 0;
  std::lock_guard lock(addresses().mutex);
  uint64_t address = 0;
  const bool took = addresses().free.take(round_up(bytes, kPage), align, &address);
  return took ? address : 0;
}

bool take_addresses_at(CUdeviceptr address, size_t bytes) {
  if (!in_window(address) || address % kPage != 0) return false;
  std::lock_guard lock(addresses().mutex);
  return addresses().free.take_at(address, round_up(bytes, kPage));
}

void give_addresses(CUdeviceptr address, size_t bytes) {
  std::lock_guard lock(addresses().mutex);
  addresses().free.give(address, round_up(bytes, kPage));
}

bool show(int device, CUdeviceptr address, const Backing& backing, size_t bytes, Access access) {
  return replace(address + static_cast<uint64_t>(window(device).delta), &backing,
                 round_up(bytes, kPage), access);
}

bool show(const Rights& rights, CUdeviceptr address, const Backing& backing, size_t bytes) {
  for (int device = 0; device < device_count(); ++device) {
    const Access access = rights.of(device);
    if (access != Access::None && !show(device, address, backing, bytes, access)) return false;
  }
  return true;
}

void set_on_host(CUdeviceptr address, size_t bytes, bool on_host) {
  auto* const places = const_cast<std::atomic<uint8_t>*>(window().on_host);
  if (!places) return;
  const uint64_t first = (address - window().base) >> kPlaceShift;
  for (uint64_t i = 0; i < bytes >> kPlaceShift; ++i) {
    places[first + i].store(on_host, std::memory_order_relaxed);
  }
}

bool show_to_host(CUdeviceptr address, const Backing& backing, size_t bytes, Access access) {
  return replace(address, &backing, round_up(bytes, kPage), access);
}

void hide(int device, CUdeviceptr address, size_t bytes) {
  replace(address + static_cast<uint64_t>(window(device).delta), nullptr, round_up(bytes, kPage),
          Access::None);
}

void hide(const Rights& rights, CUdeviceptr address, size_t bytes) {
  for (int device = 0; device < device_count(); ++device) {
    if (rights.of(device) != Access::None) hide(device, address, bytes);
  }
}

void hide_from_host(CUdeviceptr address, size_t bytes) {
  replace(address, nullptr, round_up(bytes, kPage), Access::None);
}

}  // namespace sim
