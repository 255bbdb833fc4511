// SPDX-License-Identifier: Apache-2.0
// spillway trace export --perfetto: the Chrome trace event format, which Perfetto reads: a track
// for each stream, each direction of each device and each thread that waited, and counters of
// memory. https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#include <fmt/format.h>

#include <map>
#include <set>

#include "tools/json.h"
#include "tools/trace/export.h"
#include "tools/trace/history.h"

namespace spillway::tools {
namespace {

using Json = nlohmann::ordered_json;

// Thread ids of the tracks, away from the real ones.
constexpr uint64_t kDirections = 1'000'000'000;  // 2 * device, + 1 for in
constexpr uint64_t kStreams = 1'100'000'000;
constexpr uint64_t kHolds = 1'200'000'000;

double microseconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

class Tracks {
 public:
  // `first`: whether nothing has been put yet, by any process.
  Tracks(std::FILE* out, uint64_t pid, bool* first) : out_(out), pid_(pid), first_(first) {}

  void put(Json event) {
    event["pid"] = pid_;
    fmt::print(out_, "{}\n  {}", std::exchange(*first_, false) ? "" : ",", text_of(event, -1));
  }
  void name_process(const std::string& name) {
    put({{"ph", "M"}, {"name", "process_name"}, {"tid", 0}, {"args", {{"name", name}}}});
  }
  uint64_t track(uint64_t tid, const std::string& name) {
    if (named_.insert(tid).second)
      put({{"ph", "M"}, {"name", "thread_name"}, {"tid", tid}, {"args", {{"name", name}}}});
    return tid;
  }

 private:
  std::FILE* out_;
  const uint64_t pid_;
  bool* const first_;
  std::set<uint64_t> named_;
};

struct State {
  std::map<uint64_t, std::string> names;
  std::map<uint64_t, uint64_t> threads;  // by slot
  std::map<uint64_t, uint64_t> bytes;    // of a live range
  uint64_t live = 0;
  int64_t away = 0;  // bytes that have left less those that came back
};

void count(Tracks& tracks, const State& state, uint64_t time) {
  tracks.put(
      {{"ph", "C"},
       {"name", "memory"},
       {"ts", microseconds(time)},
       {"tid", 0},
       {"args", {{"allocated", state.live}, {"evicted", std::max<int64_t>(0, state.away)}}}});
}

void put_move(Tracks& tracks, State& state, const trace::Moved& move, bool in, uint64_t time) {
  const uint64_t tid = tracks.track(kDirections + 2 * move.device + in,
                                    fmt::format("device {} {}", move.device, in ? "in" : "out"));
  tracks.put({{"ph", "X"},
              {"name", fmt::format("range {}", move.range)},
              {"cat", in ? trace::Fetched::kind : trace::Evicted::kind},
              {"ts", microseconds(time - std::min(time, move.took))},
              {"dur", microseconds(move.took)},
              {"tid", tid},
              {"args",
               {{"bytes", move.bytes},
                {"offset", move.offset},
                {"cause", std::string(cause_name(static_cast<size_t>(move.cause)))}}}});
  state.away += in ? -static_cast<int64_t>(move.bytes) : static_cast<int64_t>(move.bytes);
  count(tracks, state, time);
}

// Something that a stream was given.
template <class Use>
void put_use(Tracks& tracks, const Use& use, const std::string& name, uint64_t time) {
  const uint64_t tid = tracks.track(kStreams + use.stream, fmt::format("stream {}", use.stream));
  tracks.put({{"ph", "i"},
              {"s", "t"},
              {"name", name},
              {"cat", Use::kind},
              {"ts", microseconds(time)},
              {"tid", tid},
              {"args", {{"ranges", std::vector(use.ranges.begin(), use.ranges.end())}}}});
}

void put_hold(Tracks& tracks, const trace::Holding& holding, const char* what,
              const Record& record) {
  tracks.put({{"ph", "i"},
              {"s", "t"},
              {"name", fmt::format("range {} is {}", holding.range, what)},
              {"cat", what},
              {"ts", microseconds(record.time)},
              {"tid", tracks.track(kHolds, "ranges that are held")},
              {"args", {{"reason", value_text(record, 1)}}}});
}

void put(Tracks& tracks, State& state, const Record& record) {
  const auto name_of = [&](uint64_t number) {
    const auto known = state.names.find(number);
    return known == state.names.end() ? std::string("?") : known->second;
  };
  const uint64_t tid =
      state.threads.contains(record.slot) ? state.threads[record.slot] : record.slot;
  if (const auto thread = TraceReader::as<trace::Thread>(record)) {
    state.threads[record.slot] = thread->tid;
  } else if (const auto named = TraceReader::as<trace::Named>(record)) {
    state.names[named->name] = named->text;
  } else if (const auto made = TraceReader::as<trace::Allocated>(record)) {
    state.bytes[made->range] = made->bytes;
    state.live += made->bytes;
    count(tracks, state, record.time);
  } else if (const auto freed = TraceReader::as<trace::Freed>(record)) {
    const auto known = state.bytes.find(freed->range);
    if (known == state.bytes.end()) return;
    state.live -= known->second;
    state.bytes.erase(known);
    count(tracks, state, record.time);
  } else if (const auto launch = TraceReader::as<trace::Launched>(record)) {
    put_use(tracks, *launch, name_of(launch->kernel), record.time);
  } else if (const auto graph = TraceReader::as<trace::GraphLaunched>(record)) {
    put_use(tracks, *graph, fmt::format("graph {:#x}", graph->graph), record.time);
  } else if (const auto copy = TraceReader::as<trace::Copied>(record)) {
    put_use(tracks, *copy, "copy or set of " + with_unit(copy->bytes, "B"), record.time);
  } else if (const auto held = TraceReader::as<trace::Held>(record)) {
    put_hold(tracks, *held, "held", record);
  } else if (const auto free = TraceReader::as<trace::Released>(record)) {
    put_hold(tracks, *free, "released", record);
  } else if (const auto outside = TraceReader::as<trace::Outside>(record)) {
    tracks.put({{"ph", "C"},
                {"name", fmt::format("past us on device {}", outside->device)},
                {"ts", microseconds(record.time)},
                {"tid", 0},
                {"args", {{"bytes", outside->bytes}}}});
  } else if (const auto stall = TraceReader::as<trace::Stalled>(record)) {
    tracks.put({{"ph", "X"},
                {"name", "waits for " + value_text(record, 0)},
                {"cat", "stalled"},
                {"ts", microseconds(record.time - std::min(record.time, stall->took))},
                {"dur", microseconds(stall->took)},
                {"tid", tracks.track(tid, fmt::format("thread {}", tid))},
                {"args", {{"bytes", stall->bytes}}}});
  } else if (const auto out = TraceReader::as<trace::Evicted>(record)) {
    put_move(tracks, state, *out, false, record.time);
  } else if (const auto in = TraceReader::as<trace::Fetched>(record)) {
    put_move(tracks, state, *in, true, record.time);
  }
}

}  // namespace

void export_perfetto(const std::vector<std::string>& paths, std::FILE* out) {
  fmt::print(out, "{{\"displayTimeUnit\": \"ms\", \"traceEvents\": [");
  bool first = true;
  for (const std::string& path : paths) {
    std::unique_ptr<Tracks> tracks;
    State state;
    read_trace(path, [&](const TraceReader& reader, const Record& record) {
      if (!tracks) {
        tracks = std::make_unique<Tracks>(out, reader.about("pid"), &first);
        tracks->name_process(reader.about("program", "?"));
      }
      put(*tracks, state, record);
    });
  }
  fmt::print(out, "\n]}}\n");
}

}  // namespace spillway::tools
