// SPDX-License-Identifier: Apache-2.0
// What of a program is ordered before what: vector clocks over its streams and host threads, by the
// documented rules of CUDA and nothing else. The generator asks it which waits an operation needs,
// so that every program is free of races and has no more waits than that.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "tests/random/plan.h"

namespace random_program {

// For each stream: how many of its operations have happened before.
using Clock = std::vector<int>;

class Order {
 public:
  Order(const std::vector<Stream>& streams, int threads);

  // Phases: at a phase's start all threads have met. `owner` says which thread uses each stream in
  // it (-1: none); what another thread submits meanwhile to its streams is not relied upon.
  void start_phase(std::vector<int> owner);

  // Streams whose work must still be waited for before `thread` may submit, to `stream`, something
  // with these accesses.
  std::vector<int> missing(int thread, int stream, const std::vector<Access>& accesses) const;
  // The same for a thing that the host thread does itself.
  std::vector<int> missing_on_host(int thread, const std::vector<Access>& accesses) const;

  void submit(int thread, int stream, const std::vector<Access>& accesses);
  // The same for an allocation or a free in stream order: it keeps its place in its own stream, but
  // nobody promises that it is work which the legacy stream and the blocking ones wait for.
  void submit_memory(int thread, int stream, const std::vector<Access>& accesses);
  void host_does(const std::vector<Access>& accesses);
  void allocate(int buffer);  // nothing of an earlier life counts

  void record(int thread, int event, int stream);
  bool recorded(int event) const { return events_.count(event) != 0; }
  bool event_covers(int event, int stream) const;
  void wait_event(int thread, int event, int stream);
  void host_waits_stream(int thread, int stream);
  void host_waits_event(int thread, int event);
  void host_waits_context(int thread, int context);

 private:
  struct Stamp {
    int stream, position;
  };
  struct Region {
    std::vector<Stamp> writes;  // the last write of each stream
    std::vector<Stamp> reads;
  };
  using Name = std::pair<Space, std::pair<int, int>>;  // which buffer, which part of it

  template <class Visit>
  void for_regions(const Access& access, Visit&& visit) const;
  void enqueue(int stream, const Clock& clock, const std::vector<Access>& accesses);
  Clock view(int thread, int stream) const;
  Clock next_clock(int thread, int stream) const;
  std::vector<int> unordered(const Clock& clock, int stream,
                             const std::vector<Access>& accesses) const;
  bool legacy(int stream) const;
  bool blocking(int stream) const;
  bool implicitly_ordered(int stream, int other) const;  // as the legacy stream and blocking ones

  std::vector<Stream> streams_;
  std::vector<int> owner_;
  std::vector<int> position_, position_at_start_;
  std::vector<Clock> known_, known_at_start_;
  std::vector<Clock> host_;
  std::map<int, Clock> events_;
  std::map<Name, Region> regions_;
};

}  // namespace random_program
