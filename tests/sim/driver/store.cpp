// SPDX-License-Identifier: Apache-2.0
// Sparse memory files and what is charged to them.
#include "tests/sim/driver/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

constexpr uint64_t kFileBytes = 1ull << 45;  // nominal, sparse: offsets never run out
// New memory is garbage in its first and last so many bytes: a program may allocate far more than
// the machine has.
constexpr uint64_t kGarbage = 32ull << 20;

constexpr uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

const ReportSection memory_section("memory", [] {
  nlohmann::json all = nlohmann::json::object();
  for (int which = kHost; which < device_count(); ++which) {
    const Store::Usage usage = store(which).usage();
    auto& entry = all[which == kHost ? std::string("host") : fmt::format("device{}", which)];
    entry = {{"used", usage.used}, {"peak", usage.peak}};
    if (which != kHost) entry["capacity"] = usage.capacity;
  }
  return all;
});

// Words are made from their position alone, so that a part of the pattern is the same wherever the
// filling starts; a page is computed once and repeated, which is what makes it fast.
void make_garbage(uint64_t (&page)[kPage / sizeof(uint64_t)], uint64_t salt) {
  const uint64_t key = mix(settings().seed ^ mix(salt));
  for (size_t i = 0; i < std::size(page); ++i) page[i] = mix(key + i) | 0x0101010101010101u;
}

}  // namespace

void scribble(void* memory, size_t bytes, uint64_t salt) {
  uint64_t page[kPage / sizeof(uint64_t)];
  make_garbage(page, salt);
  auto* to = static_cast<std::byte*>(memory);
  for (size_t done = 0; done < bytes; done += kPage) {
    std::memcpy(to + done, page, std::min(kPage, bytes - done));
  }
}

Store::Store(int which, uint64_t capacity)
    : which_(which),
      capacity_(capacity),
      file_(memfd_create(which == kHost ? "simcuda-host" : "simcuda-device", MFD_CLOEXEC)),
      free_(0, kFileBytes) {
  if (file_ < 0 || ftruncate(file_, static_cast<off_t>(kFileBytes)) != 0) {
    complain(fmt::format("no memory file: {}", strerror(errno)));
  }
}

// Device memory is what somebody left in it; pinned host memory comes zeroed from the system.
void Store::fill(const Backing& backing) const {
  if (which_ == kHost) return;
  uint64_t page[kPage / sizeof(uint64_t)];
  make_garbage(page, allocated_ + (static_cast<uint64_t>(which_ + 1) << 32));
  // Written, not mapped: no page fault for each page, and none is cleared first.
  constexpr size_t kPagesAtOnce = 512;
  iovec pages[kPagesAtOnce];
  std::fill(std::begin(pages), std::end(pages), iovec{page, kPage});
  const auto one = [&](uint64_t from, uint64_t bytes) {
    for (uint64_t done = 0; done < bytes;) {
      const uint64_t count = std::min<uint64_t>(kPagesAtOnce, (bytes - done) / kPage);
      const ssize_t written = pwritev(backing.file, pages, static_cast<int>(count),
                                      static_cast<off_t>(backing.offset + from + done));
      if (written <= 0) return;
      done += static_cast<uint64_t>(written) / kPage * kPage;
    }
  };
  if (backing.bytes <= 2 * kGarbage) {
    one(0, backing.bytes);
  } else {
    one(0, kGarbage);
    one(backing.bytes - kGarbage, kGarbage);
  }
}

bool Store::charge(uint64_t bytes) {
  if (bytes > capacity_ - used_) return false;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  ++allocated_;
  return true;
}

bool Store::allocate(uint64_t bytes, uint64_t charged, Backing* out) {
  std::lock_guard lock(mutex_);
  Backing backing{
      .store = which_, .file = file_, .bytes = round_up(bytes, kPage), .charged = charged};
  if (file_ < 0 || charged > capacity_ - used_) return false;
  if (!free_.take(backing.bytes, kPage, &backing.offset)) return false;
  charge(charged);
  fill(backing);
  *out = backing;
  return true;
}

bool Store::allocate_file(uint64_t bytes, uint64_t charged, uint64_t extra, Backing* out) {
  std::lock_guard lock(mutex_);
  if (charged > capacity_ - used_) return false;
  Backing backing{.store = which_,
                  .file = memfd_create("simcuda-shared", MFD_CLOEXEC),
                  .own_file = true,
                  .bytes = round_up(bytes, kPage),
                  .charged = charged};
  if (backing.file < 0) return false;
  if (ftruncate(backing.file, static_cast<off_t>(backing.bytes + extra)) != 0) {
    close(backing.file);
    return false;
  }
  charge(charged);
  fill(backing);
  *out = backing;
  return true;
}

void Store::release(const Backing& backing) {
  std::lock_guard lock(mutex_);
  if (backing.own_file) {
    close(backing.file);
  } else {
    fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(backing.offset),
              static_cast<off_t>(backing.bytes));
    free_.give(backing.offset, backing.bytes);
  }
  used_ -= backing.charged;
}

bool Store::charge_only(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  return charge(bytes);
}

void Store::release_charge(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  used_ -= bytes;
}

Store::Usage Store::usage() const {
  std::lock_guard lock(mutex_);
  return {capacity_, used_, peak_};
}

Store& store(int which) {
  static auto* all = [] {
    auto* stores = new std::deque<std::unique_ptr<Store>>;
    for (int i = kHost; i < device_count(); ++i) {
      stores->emplace_back(
          new Store(i, i == kHost ? std::numeric_limits<uint64_t>::max() : device_capacity()));
    }
    return stores;
  }();
  return *(*all)[static_cast<size_t>(which + 1)];
}

}  // namespace sim
