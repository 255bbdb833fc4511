// SPDX-License-Identifier: Apache-2.0
#include "runtime/tell.h"

#include <unistd.h>

#include "runtime/completion.h"
#include "runtime/ledger.h"
#include "runtime/program.h"
#include "runtime/trace/writer.h"

namespace spillway {
namespace {

// Shorter ones are the library's own work in the call.
constexpr uint64_t kShortestStall = 10'000;  // ns
constexpr uint64_t kLeastOutside = 1 << 20;  // bytes, from one event to the next

// Of an allocation; of a granule that two share, the one that is there.
const Range* allocation(const Range& range) {
  if (range.life != Life::Seam) return &range;
  const Range* first = range.first.load();
  return first ? first : range.second.load();
}

std::string program() {
  std::string text = program_path();  // as JSON; what is not plain is left out
  std::erase_if(text, [](char c) { return c < ' ' || c >= 127 || c == '"' || c == '\\'; });
  return text;
}

}  // namespace

void begin_trace(Engine& engine) noexcept {
  if (engine.config.trace.empty()) return;
  try {
    const Config& config = engine.config;
    const std::string about =
        fmt::format("\"pid\": {}, \"rank\": \"{}\", \"program\": \"{}\", \"policy\": \"{}\"",
                    getpid(), Path{"%r"}.expanded(), program(), config.policy.entry->name);
    trace::start({config.trace.expanded(), config.trace_limit.count, config.trace_keep, about});
    for (const Device* device : engine.devices()) tell_budget(engine, *device);
  } catch (...) {
    log_line(LogLevel::Warn, "no trace: no host memory to start with");
  }
}

void tell_budget(Engine& engine, const Device& device) noexcept {
  tell(
      trace::Budget{static_cast<uint64_t>(device.ordinal), device.limit.load(), engine.host_limit});
}

void tell_moved(const Piece& piece, bool out, Cause cause) noexcept {
  if (!trace::on()) return;
  const Range& range = *piece.range;
  const Range* const owner = allocation(range);
  const CUdeviceptr address = range.body + piece.offset;
  const uint64_t offset = owner && address > owner->base ? address - owner->base : 0;
  const uint64_t took = piece.asked ? trace::now() - piece.asked : 0;
  const trace::Moved moved{owner ? owner->buffer_id : 0,        offset, piece.bytes,
                           static_cast<uint64_t>(range.device), cause,  took};
  if (out)
    tell(trace::Evicted{moved});
  else
    tell(trace::Fetched{moved});
}

void tell_use(Engine& engine, Told use, const StreamState* on, const RangeIds& ranges) noexcept {
  const uint64_t stream = on ? on->id : 0u;
  switch (use.what) {
    case Told::What::Launch:
      return tell(trace::Launched{use.number, stream, engine.callers.site(), ranges.all()});
    case Told::What::Graph:
      return tell(trace::GraphLaunched{use.number, stream, ranges.all()});
    case Told::What::Copy:
      return tell(trace::Copied{stream, use.number, ranges.all()});
  }
}

void tell_use(Engine& engine, Told use, const StreamState* stream,
              std::span<Range* const> ranges) noexcept {
  if (!trace::on()) return;
  RangeIds ids;
  for (const Range* range : ranges) ids.add(*range);
  tell_use(engine, use, stream, ids);
}

void tell_outside(Device& device) noexcept {
  if (!trace::on()) return;
  const uint64_t now = device.external.load(std::memory_order_relaxed);
  uint64_t told = device.told_external.load(std::memory_order_relaxed);
  const uint64_t apart = now > told ? now - told : told - now;
  if (apart >= kLeastOutside && device.told_external.compare_exchange_strong(told, now))
    tell(trace::Outside{static_cast<uint64_t>(device.ordinal), now});
}

void Stall::tell_end(Engine& engine, trace::StallFor what,
                     std::span<Range* const> ranges) const noexcept {
  const uint64_t took = trace::now() - began_;
  if (took < kShortestStall) return;
  Counters& counters = engine.counters;
  (what == trace::StallFor::Data ? counters.data_stall_ns : counters.room_stall_ns) += took;
  if (!trace::on()) return;
  RangeIds ids;
  uint64_t bytes = 0;
  for (const Range* range : ranges) {
    ids.add(*range);
    bytes += range->bytes;
  }
  tell(trace::Stalled{what, took, bytes, ids.all()});
}

}  // namespace spillway
