// SPDX-License-Identifier: Apache-2.0
// What a trace tells, added up: totals, what every kernel and every range cost, and memory, moves
// and stalls over time. All verbs but dump and export print parts of it.
//
// A new kind of event is one more on(): add() finds it by its type.
#pragma once

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/trace/axis.h"
#include "tools/trace/coverage.h"
#include "tools/trace/reader.h"

namespace spillway::tools {

// The last place is for words that a newer writer has and this reader does not know.
inline constexpr size_t kCauses = std::size(trace::names_of(Cause{})) + 1;
inline constexpr size_t kStallKinds = std::size(trace::names_of(trace::StallFor{})) + 1;
std::string_view cause_name(size_t cause);
std::string_view stall_name(size_t kind);

struct Cost {  // of waiting
  uint64_t stalls = 0, ns = 0, bytes = 0;
};

struct Direction {
  uint64_t moves = 0, bytes = 0;
  uint64_t busy = 0;  // ns in which at least one move was under way
  std::array<uint64_t, kCauses> by_cause{};
};

struct Level {  // of memory, in bytes
  uint64_t allocated = 0, device = 0, evicted = 0, budget = 0;
};

struct Interval {
  struct Way {
    std::array<uint64_t, kCauses> bytes{};
    uint64_t busy = 0;  // ns
    uint64_t all() const;
  };
  uint64_t launches = 0;
  Way out, in;
  std::array<uint64_t, kStallKinds> waited{}, stalls{};  // ns, summed over threads; ends of stalls
  bool changed = false;
  Level last, most;  // at the end; each at its highest
  void join(const Interval& later);
};

struct Kernel {
  uint64_t launches = 0;
  Cost waited;  // before its launches
};

// The life of an allocation. Bytes that move are counted where they stop.
struct Life {
  enum class State : uint8_t { Unknown, Alive, Dead } state = State::Unknown;
  bool inherited = false;  // it was there before the trace; `bytes` is what is seen of it
  uint64_t bytes = 0, born = 0, died = 0;
  uint64_t away = 0;  // has left and not come back
  uint64_t moved_out = 0, moved_in = 0, moves = 0, launches = 0;
  Cost waited;  // of calls that use it: a stall counts in full for each of them
  struct Moment {
    uint64_t time, away;
  };
  std::vector<Moment> moments;
};

// A launch as its thread made it.
struct Mark {
  uint64_t time = 0, waited = 0;  // ns; what this thread had waited until then
  const Kernel* kernel = nullptr;
};

class History {
 public:
  // The first launches of each thread, by its slot, as many as kMostMarks of all.
  static constexpr size_t kMostMarks = 2 << 20;

  History() = default;
  History(const History&) = delete;  // marks and names point into `kernels`
  History(History&&) = default;
  History& operator=(History&&) = default;

  std::string program, policy, rank;
  uint64_t pid = 0;
  uint64_t first = ~uint64_t{0}, last = 0;  // ns of CLOCK_MONOTONIC
  uint64_t allocations = 0, frees = 0, launches = 0, lost = 0;
  uint64_t budget = 0, host_budget = 0;  // as they were last; of all devices
  uint64_t peak = 0;                     // bytes allocated at the same time
  Direction out, in;
  std::array<Cost, kStallKinds> stalls{};
  Cost waited;                            // all of them
  std::map<std::string, Kernel> kernels;  // by name, as the trace has it
  std::map<std::string, Kernel> sites;    // places in the program, if the trace has them
  std::unordered_map<uint64_t, Life> ranges;
  uint64_t inherited = 0;  // ranges whose beginning is not in the trace
  struct Thread {
    uint64_t launches = 0, waited = 0;  // ns
    std::vector<Mark> marks;
  };
  std::map<uint64_t, Thread> threads;  // that launched or waited, by slot
  Axis<Interval> time;

  void add(const TraceReader& reader, const Record& record);
  void finish();  // after the last one

  uint64_t duration() const { return last > first ? last - first : 0; }

  void on(const trace::Named& named, const Record& record);
  void on(const trace::Budget& budget, const Record& record);
  void on(const trace::Allocated& made, const Record& record);
  void on(const trace::Freed& freed, const Record& record);
  void on(const trace::Launched& launch, const Record& record);
  void on(const trace::GraphLaunched& launch, const Record& record);
  void on(const trace::Copied& copy, const Record& record);
  void on(const trace::Evicted& move, const Record& record);
  void on(const trace::Fetched& move, const Record& record);
  void on(const trace::Stalled& stall, const Record& record);
  void on(const trace::Lost& some, const Record& record);

 private:
  // What memory levels are made of. Threads tell of it in an order of their own, so it is sorted.
  struct Change {
    uint64_t time = 0;
    enum class What : uint8_t { Budget, Made, Freed, Out, In } what = What::Made;
    size_t cause = 0;
    uint64_t range = 0, offset = 0, bytes = 0, took = 0;  // range: of a budget, the device
  };
  void change(const Change& change);
  void apply_oldest(size_t count);
  void apply(const Change& change);
  void apply_move(const Change& change, bool out);
  void note(const Change& change);
  void remember(Life& life, uint64_t time);
  Kernel& kernel_named(uint64_t number);
  void charge(uint64_t slot, Kernel& kernel, uint64_t site = 0);

  std::vector<Change> pending_;
  size_t marks_ = 0;
  Level now_;
  std::map<uint64_t, uint64_t> budgets_;  // by device
  Coverage covered_out_, covered_in_;
  std::unordered_map<uint64_t, Kernel*> names_;  // by number
  std::unordered_map<uint64_t, Kernel*> places_;
  std::unordered_map<uint64_t, Cost> waiting_;  // by slot: the launch that comes next there
};

// The dearest first; of equals, the one with the lower key.
template <class Map, class Cost>
std::vector<const typename Map::value_type*> dearest(const Map& map, size_t most, Cost cost) {
  std::vector<const typename Map::value_type*> all;
  for (const auto& each : map)
    if (cost(each.second)) all.push_back(&each);
  const size_t shown = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [&](const auto* a, const auto* b) {
                      const auto left = cost(a->second), right = cost(b->second);
                      return left != right ? left > right : a->first < b->first;
                    });
  all.resize(shown);
  return all;
}

}  // namespace spillway::tools
