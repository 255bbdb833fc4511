// SPDX-License-Identifier: Apache-2.0
#include "tools/replay/laps.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace spillway::tools {
namespace {

using policy::Event;
using policy::Use;
using policy::Workload;

// Each look at a lap reads the whole workload. Of a job whose last laps are all different, those
// before them say little.
constexpr size_t kMostLooks = 32;
// As much as a text may have (policy/workload_text.h).
constexpr size_t kMostEvents = 1 << 26, kMostUses = 1 << 28;

std::vector<size_t> marks_of(const Workload& workload) {
  std::vector<size_t> marks;
  for (size_t i = 0; i < workload.events.size(); ++i)
    if (workload.events[i].kind == Event::Kind::Iteration) marks.push_back(i);
  return marks;
}

// Appends the events of one lap to a workload, as the laps after it would have them.
class Repetition {
 public:
  // The lap is [now, end), and repeats [before, now).
  Repetition(Workload& workload, size_t before, size_t now, size_t end)
      : workload_(workload), before_(before), now_(now), end_(end), born_(workload.buffers.size()) {
    for (size_t i = 0; i < end; ++i)
      if (workload.events[i].kind == Event::Kind::Allocate) born_[workload.events[i].buffer] = i;
    for (uint32_t buffer = 0; buffer < born_.size(); ++buffer) made_.push_back(buffer);
    for (size_t i = now; i < end; ++i) {
      const Event& event = workload.events[i];
      uses_ += event.count;
      // Then there is one of them for each of several laps, and no telling which is next.
      if (event.kind == Event::Kind::Free && born_[event.buffer] < before)
        throw std::runtime_error(
            "--laps: the last iteration that repeats the one before it frees "
            "what is older than both, and cannot be repeated");
    }
  }

  size_t events() const { return end_ - now_; }
  size_t uses() const { return uses_; }

  void append() {
    made_before_ = made_;
    for (size_t i = now_; i < end_; ++i) {
      Event event = workload_.events[i];
      if (event.kind == Event::Kind::Allocate) {
        const auto fresh = static_cast<uint32_t>(workload_.buffers.size());
        workload_.buffers.push_back(workload_.buffers[event.buffer]);
        made_[event.buffer] = fresh;
        event.buffer = fresh;
      } else if (event.kind == Event::Kind::Free) {
        event.buffer = successor(event.buffer);
      } else if (event.kind == Event::Kind::Kernel) {
        const size_t first = workload_.uses.size();
        for (uint32_t use = 0; use < event.count; ++use) {
          const Use old = workload_.uses[event.first + use];
          workload_.uses.push_back({successor(old.buffer), old.mode});
        }
        event.first = static_cast<uint32_t>(first);
      }
      workload_.events.push_back(event);
    }
  }

 private:
  // What this repetition has in the place of a buffer of the lap.
  uint32_t successor(uint32_t buffer) const {
    const size_t born = born_[buffer];
    if (born >= now_) return made_[buffer];
    if (born < before_) return buffer;  // it lasts
    return made_before_[workload_.events[now_ + (born - before_)].buffer];
  }

  Workload& workload_;
  const size_t before_, now_, end_;
  size_t uses_ = 0;
  std::vector<size_t> born_;                  // in the events, of each buffer that the workload had
  std::vector<uint32_t> made_, made_before_;  // by the buffer of the lap that each stands for
};

}  // namespace

SteadyLap steady_lap(const Workload& workload) {
  const size_t marks = marks_of(workload).size();
  for (size_t lap = marks, looks = 0; lap-- > 1 && looks < kMostLooks; ++looks)
    if (policy::Cycle cycle = policy::cycle_of(workload, lap); !cycle.ns.empty())
      return {lap, std::move(cycle)};
  return {};
}

std::vector<bool> usual_laps(const Workload& workload, const SteadyLap& steady) {
  std::vector<size_t> launches;
  for (const Event& event : workload.events) {
    if (event.kind == Event::Kind::Iteration) launches.push_back(0);
    if (event.kind == Event::Kind::Kernel && !launches.empty()) ++launches.back();
  }
  if (launches.empty()) return {};
  size_t like = steady.lap;
  if (steady.cycle.ns.empty()) like = launches.size() - std::min<size_t>(launches.size(), 2);
  std::vector<bool> usual;
  for (const size_t each : launches) usual.push_back(each == launches[like]);
  return usual;
}

Workload with_laps(const Workload& workload, size_t laps) {
  const std::vector<size_t> marks = marks_of(workload);
  const SteadyLap steady = steady_lap(workload);
  const std::vector<bool> usual = usual_laps(workload, steady);
  const size_t whole = usual.size() - (!usual.empty() && !usual.back());
  Workload out = workload;
  if (laps < marks.size()) out.events.resize(marks[laps] + 1);
  if (laps <= whole) return out;
  if (steady.cycle.ns.empty())
    throw std::runtime_error(
        fmt::format("--laps {}: there are {}, and none that could be repeated: none does what the "
                    "one before it did",
                    laps, whole));
  const size_t end = marks[steady.lap + 1];
  out.events.resize(end);
  Repetition repetition(out, marks[steady.lap - 1], marks[steady.lap], end);
  const size_t before = steady.lap + 1;
  const size_t most = before + std::min(kMostEvents / repetition.events(),
                                        kMostUses / std::max<size_t>(repetition.uses(), 1));
  if (laps > most)
    throw std::runtime_error(fmt::format("--laps {}: of this job, at most {} fit", laps, most));
  for (size_t lap = before; lap < laps; ++lap) repetition.append();
  out.events.push_back({.kind = Event::Kind::Iteration});
  return out;
}

}  // namespace spillway::tools
