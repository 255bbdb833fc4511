// SPDX-License-Identifier: Apache-2.0
#include "runtime/examiner.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/capture.h"
#include "runtime/engine.h"
#include "runtime/find_addresses.ptx.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/mover.h"

namespace spillway {

namespace {

constexpr unsigned kSlots = 64;         // reports on their way, in each context
constexpr uint64_t kMost = 255;         // addresses in a report
constexpr unsigned kThreads = 256;      // of a block
constexpr uint64_t kBlocks = 1024;      // of a region, at most
constexpr uint64_t kWordsAThread = 16;  // at least, where a region is small
constexpr size_t kMostReached = 256;    // ranges that memory leads to, read as well
constexpr std::chrono::microseconds kShortestPause{20}, kLongestPause{1000};
constexpr int kMostAsked = 2;          // events that are not ready, where nobody waits
constexpr uint8_t kCleanLaunches = 2;  // that make a kernel plain

}  // namespace

struct Examiner::Report {
  uint64_t count = 0, unused = 0;
  struct {
    uint64_t holder, target;
  } found[kMost];
};

// --- a context's kernel, and its memory for reports -------------------------------------------

Examiner::Kit Examiner::make_kit() noexcept {
  const Driver& driver = engine_.driver;
  Kit kit;
  CUmodule module = nullptr;
  void* host = nullptr;
  const bool complete = driver.cuModuleLoadData && driver.cuModuleGetFunction &&
                        driver.cuModuleUnload && driver.cuLaunchKernel && driver.cuMemHostAlloc &&
                        driver.cuMemFreeHost;
  CUresult result =
      complete ? driver.cuModuleLoadData(&module, kFindAddresses) : CUDA_ERROR_NOT_SUPPORTED;
  if (result == CUDA_SUCCESS)
    result = driver.cuModuleGetFunction(&kit.kernel, module, "spillway_find_addresses");
  if (result == CUDA_SUCCESS)
    result = driver.cuMemHostAlloc(&host, kSlots * sizeof(Report),
                                   CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP);
  for (unsigned i = 0; i < kSlots && result == CUDA_SUCCESS; i++) {
    Slot slot{static_cast<Report*>(host) + i, nullptr};
    result = driver.cuEventCreate(&slot.event, CU_EVENT_DISABLE_TIMING);
    if (result == CUDA_SUCCESS) kit.spare.push_back(slot);
  }
  if (!kit.spare.empty()) return kit;
  const char* name = nullptr;
  driver.cuGetErrorName(result, &name);
  log(LogLevel::Warn,
      "kernels cannot be examined for addresses that they store ({}): they are trusted to store "
      "none. Where one does, set SPILLWAY_TRUST_ARGUMENTS=off",
      name ? name : "unknown error");
  if (host) driver.cuMemFreeHost(host);
  if (module) driver.cuModuleUnload(module);
  return {};
}

Examiner::Kit* Examiner::kit_of(CUcontext context) noexcept {
  std::lock_guard held(mutex_);
  const auto found = kits_.find(context);
  return found == kits_.end() ? nullptr : &found->second;
}

void Examiner::prepare() noexcept {
  const CUcontext context = engine_.context();
  if (!context || kit_of(context)) return;
  const RelaxedCapture relaxed(engine_.driver);
  Kit fresh = make_kit();
  std::lock_guard held(mutex_);
  // If another thread was faster, ours stays unused until the context ends.
  kits_.try_emplace(context, std::move(fresh));
}

bool Examiner::take_slot(Kit& kit, Slot* out) noexcept {
  while (true) {
    {
      std::lock_guard held(mutex_);
      if (!kit.spare.empty()) {
        *out = kit.spare.back();
        kit.spare.pop_back();
        return true;
      }
    }
    if (!settle(true)) return false;
  }
}

void Examiner::context_gone(CUcontext context) noexcept {
  std::lock_guard settling(settling_);
  std::deque<std::unique_ptr<Pending>> gone;
  {
    std::lock_guard held(mutex_);
    for (auto& pending : pending_)
      if (pending->context == context) gone.push_back(std::move(pending));
    std::erase(pending_, nullptr);
    kits_.erase(context);  // its module, memory and events die with it
  }
  Held held(engine_.ledger);
  for (auto& pending : gone) learn(held, *pending, nullptr);
}

// --- behind a launch --------------------------------------------------------------------------

void Examiner::gather(const Held& held, const Subject& subject, std::span<Range* const> ranges,
                      Pending& out) {
  const auto add_region = [&](CUdeviceptr begin, uint64_t bytes) {
    const CUdeviceptr from = round_up(begin, 8), end = (begin + bytes) / 8 * 8;
    const auto same = [&](const Region& region) { return region.begin == from; };
    if (from < end && std::ranges::none_of(out.regions, same))
      out.regions.push_back({from, end - from});
  };
  // What our kernel cannot reach, the program's cannot have stored to.
  const Device* const here = engine_.device();
  const auto reaches = [&](const Range& range) {
    const Device* const there = engine_.device(range.device);
    return here && there && std::ranges::any_of(there->access, [&](const CUmemAccessDesc& access) {
             return access.location.id == here->ordinal;
           });
  };
  const auto target = [](Range& range) {
    return Target{&range, range.buffer_id, range.base, range.bytes};
  };
  for (Range* range : ranges) {
    if (range->life != Life::Live) continue;  // a seam; or freed meanwhile
    out.named.push_back(target(*range));
    if (reaches(*range)) add_region(range->base, range->bytes);
  }
  {
    std::lock_guard accounts(engine_.accounts);
    for (const CUdeviceptr word : subject.words) {
      auto next = engine_.externals.upper_bound(word);
      if (next == engine_.externals.begin()) continue;
      const auto& [begin, external] = *--next;
      if (word - begin < external.bytes && external.context == out.context)
        add_region(begin, external.bytes);
    }
  }
  engine_.hidden.for_each_variable(held, out.context, add_region);
  for (size_t i = 0; i < out.regions.size() && out.reached.size() < kMostReached; i++)
    engine_.hidden.for_each_target(
        held, out.regions[i].begin, out.regions[i].bytes, [&](Range& range, uint64_t life) {
          if (range.life != Life::Live || range.buffer_id != life) return;
          const auto same = [&](const Target& known) { return known.range == &range; };
          if (std::ranges::any_of(out.reached, same)) return;
          out.reached.push_back(target(range));
          if (reaches(range)) add_region(range.base, range.bytes);
        });
}

bool Examiner::submit(StreamRef ref, CUfunction kernel, const Pending& pending) noexcept {
  const Driver& driver = engine_.driver;
  const CUstream stream = !ref.handle && ref.per_thread ? CU_STREAM_PER_THREAD : ref.handle;
  pending.slot.report->count = 0;
  uint64_t arena = engine_.arena.base(), bytes = engine_.arena.size(), most = kMost;
  for (size_t first = 0; first < pending.regions.size(); first += kRegionsAtOnce) {
    struct {
      uint64_t begin, words;
    } regions[kRegionsAtOnce] = {};
    uint64_t longest = 0;
    const size_t count = std::min<size_t>(kRegionsAtOnce, pending.regions.size() - first);
    for (size_t i = 0; i < count; i++) {
      const Region& region = pending.regions[first + i];
      regions[i] = {region.begin, region.bytes / 8};
      longest = std::max(longest, regions[i].words);
    }
    const uint64_t blocks = (longest + kThreads * kWordsAThread - 1) / (kThreads * kWordsAThread);
    void* arguments[] = {regions, &arena, &bytes, const_cast<Report**>(&pending.slot.report),
                         &most};
    if (driver.cuLaunchKernel(kernel, static_cast<unsigned>(std::min(blocks, kBlocks)),
                              static_cast<unsigned>(count), 1, kThreads, 1, 1, 0, stream, arguments,
                              nullptr) != CUDA_SUCCESS)
      return false;
  }
  return driver.cuEventRecord(pending.slot.event, stream) == CUDA_SUCCESS;
}

void Examiner::follow(StreamRef ref, const Subject& subject,
                      std::span<Range* const> ranges) noexcept {
  const RelaxedCapture relaxed(engine_.driver);
  const CUcontext context = engine_.context();
  Kit* const kit = context ? kit_of(context) : nullptr;
  if (!kit) return;
  if (!kit->kernel) {
    for (const auto& kernel : subject.kernels) kernel->plain.store(true, std::memory_order_relaxed);
    return;
  }
  auto pending = std::make_unique<Pending>();
  if (!take_slot(*kit, &pending->slot)) return;
  pending->context = context;
  pending->kernels = subject.kernels;
  {
    Held held(engine_.ledger);
    gather(held, subject, ranges, *pending);
    for (const Target& target : pending->named)
      engine_.holds.add(held, *target.range, PinReason::Examined);
    engine_.hidden.watch(held, pending->watch);
  }
  if (submit(ref, kit->kernel, *pending)) {
    {
      std::lock_guard held(mutex_);
      pending_.push_back(std::move(pending));
    }
    engine_.changed.notify_all();
    if (engine_.config.lockstep) settle(true);  // where only waiting tells what is over
    return;
  }
  // What was submitted of it may still write to the slot: that stays away.
  Held held(engine_.ledger);
  learn(held, *pending, nullptr);
}

// --- the reports ------------------------------------------------------------------------------

bool Examiner::settle(bool wait) noexcept {
  std::unique_lock settling(settling_, std::defer_lock);
  if (wait)
    settling.lock();
  else if (engine_.config.lockstep || !settling.try_lock())
    return false;
  if (engine_.config.lockstep) return settle_oldest();
  // What the reports wait for may, in the end, wait for this thread.
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (auto pause = kShortestPause;; pause = std::min(2 * pause, kLongestPause)) {
    if (settle_what_is_there(wait)) return true;
    if (!wait || std::chrono::steady_clock::now() > end) return false;
    if (!expects()) return false;
    std::this_thread::sleep_for(pause);
  }
}

bool Examiner::expects() noexcept {
  std::lock_guard held(mutex_);
  return !pending_.empty();
}

bool Examiner::settle_oldest() noexcept {
  std::unique_ptr<Pending> oldest;
  {
    std::lock_guard held(mutex_);
    if (pending_.empty()) return false;
    oldest = std::move(pending_.front());
    pending_.pop_front();
  }
  take_in(*oldest, engine_.driver.cuEventSynchronize(oldest->slot.event));
  return true;
}

// A kernel that follows an address is over after the one that stored it, so their reports come in
// that order, whatever else is still running.
bool Examiner::settle_what_is_there(bool all) noexcept {
  std::deque<std::unique_ptr<Pending>> done;
  {
    std::lock_guard held(mutex_);
    for (int running = 0; auto& pending : pending_) {
      pending->result = engine_.driver.cuEventQuery(pending->slot.event);
      if (pending->result != CUDA_ERROR_NOT_READY)
        done.push_back(std::move(pending));
      else if (++running == kMostAsked && !all)
        break;
    }
    std::erase(pending_, nullptr);
  }
  for (const auto& pending : done) take_in(*pending, pending->result);
  return !done.empty();
}

void Examiner::take_in(Pending& pending, CUresult result) noexcept {
  {
    Held held(engine_.ledger);
    learn(held, pending, result == CUDA_SUCCESS ? pending.slot.report : nullptr);
    taken_in_++;
  }
  engine_.changed.notify_all();
  std::lock_guard held(mutex_);
  const auto kit = kits_.find(pending.context);
  if (kit != kits_.end() && result == CUDA_SUCCESS) kit->second.spare.push_back(pending.slot);
}

void Examiner::learn(const Held& held, Pending& pending, const Report* report) {
  Hidden& hidden = engine_.hidden;
  hidden.unwatch(held, pending.watch);
  const auto alive = [](const Target& target) {
    return target.range->life == Life::Live && target.range->buffer_id == target.life;
  };
  bool stored = false;
  if (report) {
    std::vector<Hidden::Word> words;
    const bool complete = report->count <= kMost;
    for (uint64_t i = 0; i < std::min(report->count, kMost); i++) {
      const CUdeviceptr holder = report->found[i].holder, address = report->found[i].target;
      const auto leads_to = [&](const Target& target) {
        return address - target.base < target.bytes;
      };
      auto given = std::ranges::find_if(pending.named, leads_to);
      if (given == pending.named.end()) {
        given = std::ranges::find_if(pending.reached, leads_to);
        if (given == pending.reached.end()) continue;
      }
      const Hidden::Word word{holder, address, given->range, given->life, true};
      stored |= !hidden.knows(held, word);
      if (alive(*given)) words.push_back(word);
    }
    if (complete) {
      for (const Region& region : pending.regions)
        hidden.not_there(engine_, held, region.begin, region.bytes, words, pending.watch);
    } else {
      // More than can be listed: whatever the kernel was given stays still for as long as it lives.
      stored = true;
      for (const Target& target : pending.named)
        if (alive(target)) engine_.holds.add(held, *target.range, PinReason::Hidden);
    }
    Hidden::replay(pending.watch, words);
    std::erase_if(words, [&](const Hidden::Word& word) { return hidden.knows(held, word); });
    for (const Hidden::Word& word : words) engine_.holds.add(held, *word.range, PinReason::Hidden);
    hidden.put(engine_, held, words);
    for (const auto& kernel : pending.kernels) {
      if (stored) kernel->stores = true;
      if (!kernel->stores && ++kernel->clean >= kCleanLaunches)
        kernel->plain.store(true, std::memory_order_relaxed);
    }
  }
  // Where it stored something, who knows what has followed the address since.
  for (const Target& target : pending.named)
    engine_.holds.drop(engine_, held, *target.range, target.life, PinReason::Examined, 1, stored);
}

}  // namespace spillway
