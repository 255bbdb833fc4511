// SPDX-License-Identifier: Apache-2.0
#include "runtime/tell.h"

#include <unistd.h>

#include "runtime/completion.h"
#include "runtime/ledger.h"
#include "runtime/trace/writer.h"

namespace spillway {
namespace {

// Shorter ones are the library's own work in the call.
constexpr uint64_t kShortestStall = 10'000;  // ns

// Of an allocation; of a granule that two share, the one that is there.
const Range* allocation(const Range& range) {
  if (range.life != Life::Seam) return &range;
  const Range* first = range.first.load();
  return first ? first : range.second.load();
}

std::string program() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  std::string text;
  for (ssize_t i = 0; i < length; ++i)  // as JSON; what is not plain is left out
    if (path[i] >= ' ' && path[i] < 127 && path[i] != '"' && path[i] != '\\') text += path[i];
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

void tell_launched(uint64_t kernel, const StreamState* stream, const RangeIds& ranges) noexcept {
  tell(trace::Launched{kernel, stream ? stream->id : 0u, ranges.all()});
}

void tell_launched(uint64_t kernel, const StreamState* stream,
                   std::span<Range* const> ranges) noexcept {
  if (!trace::on()) return;
  RangeIds ids;
  for (const Range* range : ranges) ids.add(*range);
  tell_launched(kernel, stream, ids);
}

void Stall::tell_end(trace::StallFor what, std::span<Range* const> ranges) const noexcept {
  if (!began_) return;
  const uint64_t took = trace::now() - began_;
  if (took < kShortestStall) return;
  RangeIds ids;
  uint64_t bytes = 0;
  for (const Range* range : ranges) {
    ids.add(*range);
    bytes += range->bytes;
  }
  tell(trace::Stalled{what, took, bytes, ids.all()});
}

}  // namespace spillway
