// SPDX-License-Identifier: Apache-2.0
// The virtual clock: the timeline that a GPU would have had, computed beside the real execution.
//
// Every submission and host wait leaves a Stamp, in program order. A stamp's times follow from the
// stamps before it, from the host's own costs and from its modelled duration, which for kernels is
// known only after they have run; so stamps are resolved in submission order once every earlier
// duration is known. Real execution order never matters: same program, same times, under any seed.
//
// Where kernels of different streams run at once, and how a copy slows the other direction, is in
// timeline.cpp. Host threads: a thread's clock starts where the host was when it first submitted.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "tests/sim/driver/stream.h"
#include "tests/sim/driver/timeline.h"

namespace sim {

struct HostThread;  // host_thread.h

struct Stamp {
  std::vector<std::shared_ptr<Stamp>> after;
  std::shared_ptr<Stamp> host;   // the host thread's last wait, and what it did since
  HostThread* waiter = nullptr;  // whose wait this is
  double host_extra = 0;
  Engine engine = Engine::None;
  int device = 0;
  uint64_t bytes = 0;
  std::string name;
  double duration = 0;
  double share = 1;      // of the device's compute, for kernels
  bool known = false;    // duration and share are final
  bool waiting = false;  // on a value in memory: may stay so until the host acts
  bool resolved = false;
  double begin = 0, end = 0;
};
using StampPtr = std::shared_ptr<Stamp>;

// What the exit report says.
struct ClockTotals {
  struct Count {
    uint64_t count = 0, bytes = 0;
    double busy_ns = 0;
  };
  double end_ns = 0;
  std::map<std::string, Count> engines, operations, kernels;
};

// As the report has it, with the scheduler's lock held.
nlohmann::json clock_json();

// The caller of every member function holds the scheduler's lock.
class Clock {
 public:
  static Clock& get();  // leaked

  StampPtr submit(std::span<const StampPtr> after, const Work& work, int device);
  void complete(Stamp& stamp, double duration_ns, double share);
  // The calling thread has seen these complete.
  void host_waited(std::span<const StampPtr> stamps, double cost_ns);
  // Resolves what can be. skip_running: treats work that has not ended as if it never would,
  // instead of stopping there. Always does so for work that waits on a value.
  void resolve(bool skip_running);
  ClockTotals totals() const;

 private:
  bool resolvable(const Stamp& stamp) const;
  void place(Stamp& stamp);

  std::deque<StampPtr> pending_;
  std::map<int, Timeline> timelines_;  // per device
  StampPtr latest_host_;
  ClockTotals totals_;
};

}  // namespace sim
