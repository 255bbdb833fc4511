// SPDX-License-Identifier: Apache-2.0
// Launches and copies that need more than the launch path gives: something must come in, a layout
// is not known yet, or memory is short.
#include <algorithm>

#include "runtime/ahead.h"
#include "runtime/capture.h"
#include "runtime/ledger.h"
#include "runtime/manager.h"
#include "runtime/residents.h"
#include "runtime/tell.h"

namespace spillway {

namespace {

// What a policy tells launches apart by, beside the sizes of what they use.
constexpr uint64_t kAnything = 1, kCopy = 2;
uint64_t kind_of(CUfunction function) {
  return reinterpret_cast<uintptr_t>(function);
}

CUstream handle_of(StreamRef ref) {
  if (ref.handle) return ref.handle;
  return ref.per_thread ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
}

void add_live(Engine& engine, const Held& held, std::vector<Range*>& set, CUdeviceptr address) {
  Range* range = find_live(engine, held, address);
  if (range && std::ranges::find(set, range) == set.end()) set.push_back(range);
}

// Acquires, submits, notes the use, unpins.
// `subject`: what follows the launch; without kernels: nothing. `kind`: as the policy knows it.
CUresult run(Engine& engine, std::vector<Range*>& ranges, Need need, Cause cause, StreamRef ref,
             const Submission& submit, Told told, uint64_t kind, const Subject& subject = {}) {
  // A recording runs nothing: what the graph touches is read when it is instantiated.
  // The driver does look at the memory of copies and sets.
  if (fast_path.captures.load(std::memory_order_relaxed) && is_capturing(engine.driver, ref))
    return need == Need::Stable ? with_fixed(engine, ranges, submit) : submit();
  engine.examiner.settle(false);
  if (!subject.kernels.empty()) engine.examiner.prepare();
  const bool watched = fast_path.watched.load(std::memory_order_relaxed);
  Sighting seen(kind);
  if (watched)
    for (const Range* range : ranges) seen.add(*range);
  Arrivals arrivals;
  const Stall stall;
  CUresult result = acquire(engine, ranges, need, cause, &arrivals);
  if (result != CUDA_SUCCESS) return result;
  stall.tell_end(engine, trace::StallFor::Data, ranges);
  StreamState* stream = engine.completion.resolve(ref, thread_state());
  wait_for(engine, ref, arrivals);
  const bool timed = watched && fast_path.timed.load(std::memory_order_relaxed);
  if (timed) engine.stopwatch.begin(handle_of(ref), engine.context(), seen.signature());
  result = submit();
  if (timed) engine.stopwatch.end(handle_of(ref));
  // The driver needs memory for itself; what the launch names may have to make way, in part.
  Device* device = engine.device();
  if (result == CUDA_ERROR_OUT_OF_MEMORY && device) {
    uint64_t own = 0;
    for (const Range* range : ranges)
      if (range->device == device->ordinal) own += range->span;
    bool relieved = true;
    for (uint64_t relief = Manager::kRelief; relieved && result == CUDA_ERROR_OUT_OF_MEMORY;
         relief *= 2) {
      unpin(engine, ranges);
      const uint64_t all = device->chunks.held();
      relieved = relieve(engine, *device, std::min(relief, all > own ? all - own : all));
      const CUresult again = acquire(engine, ranges, need, cause, &arrivals);
      if (again != CUDA_SUCCESS) {
        device->chunks.ask_again();
        return again;
      }
      wait_for(engine, ref, arrivals);
      if (relieved) result = submit();
    }
    device->chunks.ask_again();
  }
  if (result == CUDA_SUCCESS) tell_use(engine, told, stream, ranges);
  if (!subject.kernels.empty() && !ranges.empty() && result == CUDA_SUCCESS)
    engine.examiner.follow(ref, subject, ranges);
  // Numbered after the submission: a marker recorded in between does not claim to cover it.
  const uint64_t number = use_clock.fetch_add(1, std::memory_order_seq_cst);
  for (Range* range : ranges) Completion::mark(*range, stream, number);
  if (stream) stream->last.store(number, std::memory_order_relaxed);
  unpin(engine, ranges);
  // One that had to wait for memory costs more than a marker, which lets what it used leave early.
  if (stream && !arrivals.empty())
    engine.completion.leave_marker(*stream);
  else if (stream && fast_path.short_of_memory.load(std::memory_order_relaxed))
    engine.completion.launched(*stream);
  if (watched && device && result == CUDA_SUCCESS) {
    tell_ahead(engine, *device, seen);
  }
  return result;
}

std::vector<Range*> all_live(Engine& engine) {
  std::vector<Range*> set;
  const Device* device = engine.device();
  Held held(engine.ledger);
  for (Range* range : engine.ranges)
    if (range->life == Life::Live && device && range->device == device->ordinal)
      set.push_back(range);
  return set;
}

}  // namespace

bool Manager::relieve_device(uint64_t bytes) noexcept {
  Device* device = engine_.device();
  return device && relieve(engine_, *device, bytes);
}

void Manager::relief_over() noexcept {
  if (Device* device = engine_.device()) device->chunks.ask_again();
}

void Manager::capture_begins(StreamRef ref) noexcept {
  if (StreamState* stream = engine_.completion.resolve(ref, thread_state()))
    engine_.completion.leave_marker(*stream);
}

bool Manager::use_joined(Range& at, CUdeviceptr address, StreamState& stream, Use use,
                         bool shared) noexcept {
  Range* range = owner_of(&at, address);
  if (!range) return true;
  for (Range* part : parts_of(*range)) {
    if (!part) continue;
    if (!part->settled.load(std::memory_order_seq_cst)) return false;
    Completion::mark_again(*part, stream, use, shared);
  }
  return true;
}

void Manager::tell_launch(CUfunction function, void** params, void** extra,
                          const StreamState& stream) noexcept {
  RangeIds ranges;
  const auto note = [&](uint64_t address) {
    if (const Range* range = owner_of(engine_.arena.at(address), address)) ranges.add(*range);
    return true;
  };
  const Layout* layout = engine_.layouts.find(function);
  if (extra)
    scan_extra(extra, engine_.arena.base(), engine_.arena.size(), note);
  else if (layout)
    scan_params(*layout, params, engine_.arena.base(), engine_.arena.size(), note);
  tell_use(engine_, {Told::What::Launch, layout ? layout->name : 0}, &stream, ranges);
}

CUresult Manager::launch_slowly(CUfunction function, void** params, void** extra, StreamRef ref,
                                Submission submit) noexcept {
  if (engine_.config.trust_arguments == Trust::Off) return launch_anything(ref, submit);
  const auto layout = engine_.layouts.learn(function);
  if (!extra && !layout) return launch_anything(ref, submit);
  const Arguments named = read_arguments(engine_.arena, layout.get(), params, extra);
  Subject subject;
  if (layout && !layout->plain.load(std::memory_order_relaxed)) subject = {{layout}, named.others};
  std::vector<Range*> ranges;
  {
    Held held(engine_.ledger);
    for (const CUdeviceptr address : named.ranges) add_live(engine_, held, ranges, address);
  }
  return run(engine_, ranges, Need::Device, Cause::Launch, ref, submit,
             {Told::What::Launch, layout ? layout->name : 0}, kind_of(function), subject);
}

void Manager::watch_launch(CUfunction function, void** params, void** extra) noexcept {
  Device* device = engine_.device();
  if (!device) return;
  Sighting seen(kind_of(function));
  ThreadState& thread = thread_state();
  thread.enter();
  const auto note = [&](uint64_t address) {
    if (const Range* range = owner_of(engine_.arena.at(address), address)) seen.add(*range);
    return true;
  };
  const Layout* layout = engine_.layouts.find(function);
  if (extra)
    scan_extra(extra, engine_.arena.base(), engine_.arena.size(), note);
  else if (layout)
    scan_params(*layout, params, engine_.arena.base(), engine_.arena.size(), note);
  thread.leave();
  tell_ahead(engine_, *device, seen);
}

CUresult Manager::launch_anything(StreamRef ref, Submission submit) noexcept {
  std::vector<Range*> ranges = all_live(engine_);
  return run(engine_, ranges, Need::Device, Cause::Launch, ref, submit, {Told::What::Launch, 0},
             kAnything);
}

CUresult Manager::touch_slowly(std::span<const Access> accesses, StreamRef ref,
                               Submission submit) noexcept {
  std::vector<Range*> ranges;
  {
    Held held(engine_.ledger);
    for (const Access& access : accesses) add_live(engine_, held, ranges, access.address);
  }
  uint64_t bytes = 0;
  for (const Access& access : accesses) bytes = std::max<uint64_t>(bytes, access.bytes);
  return run(engine_, ranges, Need::Stable, Cause::Launch, ref, submit, {Told::What::Copy, bytes},
             kCopy);
}

CUresult Manager::hold_slowly(std::span<const Access> accesses, Submission submit) noexcept {
  std::vector<Range*> ranges;
  {
    Held held(engine_.ledger);
    for (const Access& access : accesses) add_live(engine_, held, ranges, access.address);
  }
  return with_fixed(engine_, ranges, submit);
}

CUresult Manager::launch_graph(CUgraphExec exec, StreamRef ref, Submission submit) noexcept {
  std::vector<Range*> ranges;
  if (engine_.config.trust_arguments == Trust::Off) ranges = all_live(engine_);
  Subject subject;
  {
    Held held(engine_.ledger);
    const auto found = engine_.graphs.find(exec);
    if (found != engine_.graphs.end()) {
      const GraphUse& use = found->second;
      for (Range* range : use.ranges)
        if (std::ranges::find(ranges, range) == ranges.end()) ranges.push_back(range);
      for (const auto& kernel : use.subject.kernels)
        if (!kernel->plain.load(std::memory_order_relaxed)) subject.kernels.push_back(kernel);
      if (!subject.kernels.empty()) subject.words = use.subject.words;
    }
  }
  return run(engine_, ranges, Need::Device, Cause::Launch, ref, submit,
             {Told::What::Graph, reinterpret_cast<uintptr_t>(exec)},
             reinterpret_cast<uintptr_t>(exec), subject);
}

}  // namespace spillway
