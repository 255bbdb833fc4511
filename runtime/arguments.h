// SPDX-License-Identifier: Apache-2.0
// Kernel parameter layouts, asked of the driver once per handle and kept in a table that launches
// read without a lock; and the scan that finds arena addresses in a launch's arguments.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/arena.h"
#include "runtime/driver.h"

namespace spillway {

struct Layout {
  struct Word {      // one parameter that is large enough to hold an address
    uint32_t index;  // in kernelParams
    uint32_t bytes;
    uint32_t step;  // between places where an address may begin
  };
  std::vector<Word> words;
  uint64_t name = 0;  // of the kernel, for the trace; 0: not asked for

  // What is known of the addresses that the kernel stores (examiner.h).
  mutable std::atomic<bool> plain{false};  // none: its launches are not followed
  mutable bool stores = false;             // some, in a launch that was followed; ledger
  mutable uint8_t clean = 0;               // launches followed that stored none; ledger
};

class Layouts {
 public:
  // trust: kernels are plain from the start.
  Layouts(const Driver& driver, bool trust);
  ~Layouts() { delete table_.load(); }
  Layouts(const Layouts&) = delete;
  Layouts& operator=(const Layouts&) = delete;

  // Null: not known yet. Only from inside a gate (thread_state.h): tables are freed after a drain.
  const Layout* find(CUfunction function) const noexcept {
    const Table* table = table_.load(std::memory_order_acquire);
    for (size_t i = hash(function);; i++) {
      const Entry& entry = table->entries[i & table->mask];
      const CUfunction key = entry.function.load(std::memory_order_acquire);
      if (key == function) return entry.layout;
      if (!key) return nullptr;
    }
  }
  // Asks the driver and remembers. Null: this driver cannot tell (before 12.4, or a bad handle).
  std::shared_ptr<const Layout> learn(CUfunction function) noexcept;
  // After a module was unloaded: handles may be given out again.
  void clear() noexcept;

 private:
  struct Entry {
    std::atomic<CUfunction> function{nullptr};
    const Layout* layout = nullptr;  // written before `function`
  };
  struct Table {
    explicit Table(size_t size) : mask(size - 1), entries(new Entry[size]) {}
    size_t mask;
    std::unique_ptr<Entry[]> entries;
  };
  uint64_t name_of(CUfunction function) const noexcept;
  static size_t hash(CUfunction function) {
    return (reinterpret_cast<uintptr_t>(function) >> 4) * 0x9E3779B97F4A7C15ull >> 20;
  }
  static void insert(Table& table, CUfunction function, const Layout* layout);
  void replace(std::unique_ptr<Table> fresh);

  const Driver& driver_;
  const bool trust_;
  std::atomic<Table*> table_;
  std::mutex mutex_;  // writers
  std::unordered_map<CUfunction, std::shared_ptr<const Layout>> layouts_;
};

// In a packed struct an address may begin at any multiple of four, and the size of a struct does
// not tell whether it is packed. A number taken for an address costs residency, a missed address
// may cost the job.
inline constexpr uint32_t kPackedStep = 4;

// Calls visit(address) for every word of the arguments that lies in [base, base + size); stops and
// returns false as soon as visit does.
template <class Visit>
inline bool scan_words(const std::byte* from, const std::byte* end, uint32_t step, uint64_t base,
                       uint64_t size, Visit&& visit) {
  for (; from + 8 <= end; from += step) {
    uint64_t word;
    std::memcpy(&word, from, 8);
    if (word - base < size && !visit(word)) return false;
  }
  return true;
}

template <class Visit>
inline bool scan_params(const Layout& layout, void** params, uint64_t base, uint64_t size,
                        Visit&& visit) {
  for (const Layout::Word& word : layout.words) {
    const auto* at = static_cast<const std::byte*>(params[word.index]);
    if (word.bytes == 8) [[likely]] {  // a pointer by itself
      uint64_t address;
      std::memcpy(&address, at, 8);
      if (address - base < size && !visit(address)) return false;
      continue;
    }
    if (!scan_words(at, at + word.bytes, word.step, base, size, visit)) return false;
  }
  return true;
}

// `extra`: one flat buffer. A malformed list names nothing; the driver will refuse it.
template <class Visit>
inline bool scan_extra(void** extra, uint64_t base, uint64_t size, Visit&& visit) {
  const std::byte* buffer = nullptr;
  size_t bytes = 0;
  for (int i = 0; i < 8 && extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
    if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = static_cast<std::byte*>(extra[i + 1]);
    else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
      bytes = *static_cast<size_t*>(extra[i + 1]);
    else
      return true;
  }
  // The last argument ends the buffer: its size may show that it is packed to bytes.
  const uint32_t step = bytes % kPackedStep ? 1 : kPackedStep;
  return !buffer || scan_words(buffer, buffer + bytes, step, base, size, visit);
}

// The words of a launch's arguments that may be addresses.
struct Arguments {
  std::vector<CUdeviceptr> ranges;  // in the arena
  std::vector<CUdeviceptr> others;
};
Arguments read_arguments(const Arena& arena, const Layout* layout, void** params, void** extra);

}  // namespace spillway
