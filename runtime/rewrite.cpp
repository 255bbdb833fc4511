// SPDX-License-Identifier: Apache-2.0
// Looking for addresses in what a call is about to put into memory, and holding still what they
// lead to.
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/capture.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/manager.h"
#include "runtime/residents.h"

namespace spillway {

namespace {

using Words = std::vector<Hidden::Word>;

constexpr size_t kBlock = 16 << 10;
constexpr size_t kWord = sizeof(CUdeviceptr);
constexpr size_t kStep = 4;  // packed structs
// Tables and lists are dense with addresses and data has none: of what is longer, a sixteenth tells
// which it is. Not in copy-only mode, where a missed address is somebody's wrong bytes.
constexpr size_t kReadWhole = size_t{1} << 20;
constexpr size_t kSampleEvery = 4096, kSample = 256;

// Where the pointer is the application's and may be anything, the kernel reads for us, and what
// cannot be read is the driver's to judge.
bool read_memory(std::byte* to, uint64_t from, size_t bytes) {
  const iovec here{to, bytes};
  const iovec there{reinterpret_cast<void*>(from), bytes};
  if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(bytes))
    return true;
  if (errno != ENOSYS && errno != EPERM) return false;
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);  // a sandbox without that call
  return true;
}

// One sample of each page. False: none could be read.
size_t read_samples(std::byte* to, uint64_t from, size_t bytes) {
  constexpr size_t kSamples = kBlock / kSample;
  iovec there[kSamples];
  size_t count = 0;
  for (; count < kSamples && (count + 1) * kSampleEvery <= bytes; ++count)
    there[count] = {reinterpret_cast<void*>(from + count * kSampleEvery), kSample};
  const iovec here{to, count * kSample};
  const ssize_t got = process_vm_readv(getpid(), &here, 1, there, count, 0);
  return got == static_cast<ssize_t>(count * kSample) ? count : 0;
}

template <class Visit>
void for_words(const Arena& arena, const std::byte* block, size_t bytes, Visit&& visit) {
  for (size_t at = 0; at + kWord <= bytes; at += kStep) {
    uint64_t word;
    std::memcpy(&word, block + at, kWord);
    if (word - arena.base() < arena.size() && arena.at(word)) visit(at, word);
  }
}

bool holds_addresses(const Arena& arena, uint64_t from, size_t bytes) {
  alignas(8) std::byte samples[kBlock];
  bool found = false;
  for (size_t done = 0; done + kSampleEvery <= bytes && !found;) {
    const size_t count = read_samples(samples, from + done, bytes - done);
    if (count == 0) return true;
    for_words(arena, samples, count * kSample, [&](size_t, uint64_t) { found = true; });
    done += count * kSampleEvery;
  }
  return found;
}

void read_row(const Arena& arena, uint64_t from, CUdeviceptr to, size_t bytes, Words& out) {
  alignas(8) std::byte block[kBlock];
  for (size_t done = -to % kStep; done + kWord <= bytes;) {
    const size_t part = std::min(kBlock, bytes - done);
    if (!read_memory(block, from + done, part)) return;
    for_words(arena, block, part, [&](size_t at, uint64_t word) {
      // What reaches the holder reaches the rest of the same range with it.
      if (arena.at(to + done + at) != arena.at(word))
        out.push_back({.holder = to + done + at, .target = word});
    });
    if (part < kBlock) return;
    done += kBlock - kWord + kStep;  // an address may begin in the last word
  }
}

// Pageable memory is unknown to the driver, and so is an address that means nothing.
bool is_host(const Engine& engine, uint64_t address) {
  if (engine.arena.contains(address)) return false;
  CUmemorytype type{};
  return engine.driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) !=
             CUDA_SUCCESS ||
         type == CU_MEMORYTYPE_HOST;
}

void find_words(Engine& engine, const Rewrite& rewrite, Words& out) {
  switch (rewrite.source) {
    case Rewrite::Source::Set:
      return;
    case Rewrite::Source::Any:
      if (engine.hidden.any()) {
        Held held(engine.ledger);
        rewrite.for_each_row([&](uint64_t from, CUdeviceptr to) {
          engine.hidden.copied(held, from, rewrite.width, to, out);
        });
      }
      if (!is_host(engine, rewrite.from) || is_host(engine, rewrite.to)) return;
      break;
    case Rewrite::Source::Host:
      break;
  }
  if (rewrite.from == 0) return;
  const Device* device = engine.device();
  const bool whole = rewrite.width <= kReadWhole || !device || !device->backups.in_place();
  rewrite.for_each_row([&](uint64_t from, CUdeviceptr to) {
    if (whole || holds_addresses(engine.arena, from, rewrite.width))
      read_row(engine.arena, from, to, rewrite.width, out);
  });
}

// On the device while that leaves room for others; a list longer than that is used where it is.
Need need_for(Engine& engine, const std::vector<Range*>& ranges) {
  Held held(engine.ledger);
  uint64_t wanted = 0;
  for (const Range* range : ranges)
    if (!(range->still & 1u << static_cast<int>(PinReason::Hidden))) wanted += range->extent;
  for (const Range* range : ranges) {
    const Device& device = *engine.device(range->device);
    if (engine.holds.bytes(held, PinReason::Hidden, range->device) + wanted > device.budget() / 2)
      return Need::Stable;
  }
  return Need::Fixed;
}

// Holds the target of every word once. Not SUCCESS: they cannot all be kept usable; none is held.
CUresult hold_words(Engine& engine, Words& words) {
  std::vector<Range*> targets;
  {
    Held held(engine.ledger);
    std::erase_if(words, [&](Hidden::Word& word) {
      word.range = find_live(engine, held, word.target);
      if (word.range) word.life = word.range->buffer_id;
      return !word.range;
    });
    for (const Hidden::Word& word : words)
      if (targets.empty() || targets.back() != word.range) targets.push_back(word.range);
    std::ranges::sort(targets);
    targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  }
  if (words.empty()) return CUDA_SUCCESS;
  if (need_for(engine, targets) == Need::Stable ||
      acquire(engine, targets, Need::Fixed, Cause::Pin) != CUDA_SUCCESS) {
    const CUresult result = acquire(engine, targets, Need::Stable, Cause::Pin);
    if (result != CUDA_SUCCESS) return result;
  }
  {
    Held held(engine.ledger);
    std::erase_if(words, [](const Hidden::Word& word) {  // freed meanwhile
      return word.range->life != Life::Live || word.range->buffer_id != word.life;
    });
    for (const Hidden::Word& word : words) engine.holds.add(held, *word.range, PinReason::Hidden);
  }
  unpin(engine, targets);
  return CUDA_SUCCESS;
}

CUresult acquire_fixed(Engine& engine, CUdeviceptr address, std::vector<Range*>& ranges) {
  {
    Held held(engine.ledger);
    if (Range* range = find_live(engine, held, address)) ranges.push_back(range);
  }
  return ranges.empty() ? CUDA_SUCCESS : acquire(engine, ranges, Need::Fixed, Cause::Pin);
}

// A report on what is copied may have come in since its words were looked for: too late for those,
// and too early for note_moved(). What it has told of is held, so that it can be held once more.
void add_late(Engine& engine, const Held& held, std::span<const Rewrite> rewrites, Words& words) {
  Words now;
  for (const Rewrite& rewrite : rewrites)
    if (rewrite.source == Rewrite::Source::Any)
      rewrite.for_each_row([&](uint64_t from, CUdeviceptr to) {
        engine.hidden.copied(held, from, rewrite.width, to, now);
      });
  for (Hidden::Word& word : now) {
    const auto same = [&](const Hidden::Word& known) {
      return known.holder == word.holder && known.target == word.target;
    };
    if (std::ranges::any_of(words, same)) continue;
    word.range = find_live(engine, held, word.target);
    if (!word.range) continue;
    word.life = word.range->buffer_id;
    engine.holds.add(held, *word.range, PinReason::Hidden);
    words.push_back(word);
  }
}

// For reports on memory that are on their way.
void note_moved(Engine& engine, const Held& held, std::span<const Rewrite> rewrites) {
  for (const Rewrite& rewrite : rewrites)
    if (rewrite.source == Rewrite::Source::Any)
      rewrite.for_each_row([&](uint64_t from, CUdeviceptr to) {
        engine.hidden.moved(held, from, rewrite.width, to);
      });
}

}  // namespace

CUresult Manager::rewrite_slowly(std::span<const Rewrite> rewrites, StreamRef ref,
                                 Submission submit) noexcept {
  // A recording puts nothing anywhere yet: its copy nodes are read at each launch of the graph.
  if (fast_path.captures.load(std::memory_order_relaxed) && is_capturing(engine_.driver, ref))
    return submit();
  Words words;
  for (const Rewrite& rewrite : rewrites) find_words(engine_, rewrite, words);
  if (words.empty() && !engine_.hidden.any()) return submit();
  CUresult result = hold_words(engine_, words);
  if (result != CUDA_SUCCESS) return result;
  result = submit();
  Held held(engine_.ledger);
  if (result != CUDA_SUCCESS) {
    for (const Hidden::Word& word : words)
      engine_.holds.drop(engine_, held, *word.range, word.life, PinReason::Hidden);
    return result;
  }
  add_late(engine_, held, rewrites, words);
  for (const Rewrite& rewrite : rewrites)
    rewrite.for_each_row(
        [&](uint64_t, CUdeviceptr to) { engine_.hidden.wipe(engine_, held, to, rewrite.width); });
  note_moved(engine_, held, rewrites);
  engine_.hidden.put(engine_, held, words);
  return result;
}

// In which order the nodes of a graph run is not looked at, so nothing that they overwrite is let
// go but for a new address in its place.
CUresult Manager::rewrite_by_graph(CUgraphExec exec, Submission submit) noexcept {
  std::vector<Rewrite> rewrites;
  {
    Held held(engine_.ledger);
    const auto found = engine_.hidden.graph_rewrites.find(exec);
    if (found != engine_.hidden.graph_rewrites.end()) rewrites = found->second;
  }
  Words words;
  for (const Rewrite& rewrite : rewrites) find_words(engine_, rewrite, words);
  if (words.empty() && !engine_.hidden.any()) return submit();
  CUresult result = hold_words(engine_, words);
  if (result != CUDA_SUCCESS) return result;
  result = submit();
  Held held(engine_.ledger);
  add_late(engine_, held, rewrites, words);
  note_moved(engine_, held, rewrites);
  engine_.hidden.put(engine_, held, words);
  return result;
}

CUresult Manager::pin(CUdeviceptr address, PinReason reason) noexcept {
  std::vector<Range*> ranges;
  CUresult result = acquire_fixed(engine_, address, ranges);
  // A stream reads what it waits for wherever it is.
  if (result == CUDA_ERROR_OUT_OF_MEMORY && reason == PinReason::Waited)
    result = acquire(engine_, ranges, Need::Stable, Cause::Pin);
  if (ranges.empty() || result != CUDA_SUCCESS) return result;
  {
    Held held(engine_.ledger);
    for (Range* range : ranges) engine_.holds.add(held, *range, reason);
  }
  unpin(engine_, ranges);
  return CUDA_SUCCESS;
}

CUresult Manager::pin_object(Hidden::Kind kind, const unsigned long long* object,
                             CUdeviceptr address, PinReason reason, Submission submit) noexcept {
  std::vector<Range*> ranges;
  CUresult result = acquire_fixed(engine_, address, ranges);
  if (result != CUDA_SUCCESS) return result;
  result = submit();
  if (ranges.empty()) return result;
  if (result == CUDA_SUCCESS) {
    Held held(engine_.ledger);
    for (Range* range : ranges) engine_.hidden.put_object(held, kind, *object, *range, reason);
  }
  unpin(engine_, ranges);
  return result;
}

void Manager::unpin_for(Hidden::Kind kind, uint64_t object) noexcept {
  Held held(engine_.ledger);
  engine_.hidden.wipe_object(engine_, held, kind, object);
}

void Manager::pin_for_good(Hidden::Kind kind, uint64_t object) noexcept {
  Held held(engine_.ledger);
  engine_.hidden.keep_object(held, kind, object);
}

void Manager::variable_found(const void* module, CUdeviceptr address, size_t bytes) noexcept {
  const CUcontext context = engine_.context();
  Held held(engine_.ledger);
  engine_.hidden.variable(held, module, context, address, bytes);
}

}  // namespace spillway
