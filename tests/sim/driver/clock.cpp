// SPDX-License-Identifier: Apache-2.0
// The virtual clock; see clock.h.
#include "tests/sim/driver/clock.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/sim/driver/host_thread.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/schedule.h"

namespace sim {
namespace {

void start(HostThread& thread, const StampPtr& latest) {
  if (thread.started) return;
  thread.started = true;
  thread.last = latest;
}

constexpr const char* engine_name(Engine engine) {
  switch (engine) {
    case Engine::None:
      return "none";
    case Engine::Compute:
      return "compute";
    case Engine::CopyHtoD:
      return "htod";
    case Engine::CopyDtoH:
      return "dtoh";
    case Engine::CopyDtoD:
      return "dtod";
  }
  return "";
}

nlohmann::json as_json(const std::map<std::string, ClockTotals::Count>& counts) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, total] : counts) {
    object[name] = {{"count", total.count}, {"bytes", total.bytes}, {"busy_ns", total.busy_ns}};
  }
  return object;
}

// Outstanding work gets a while to end: without it the report would depend on real time.
const ReportSection section("clock", [] {
  constexpr std::chrono::seconds kPatience{5};
  auto lock = Scheduler::get().lock();
  Scheduler::get().drain(lock, kPatience);
  nlohmann::json clock = clock_json();
  const Profile& p = profile();
  clock["profile"] = p.name;
  clock["rates"] = {{"htod", p.htod_rate}, {"dtoh", p.dtoh_rate}, {"both", p.both_rate}};
  return clock;
});

}  // namespace

nlohmann::json clock_json() {
  const ClockTotals totals = Clock::get().totals();
  return {{"virtual_ns", totals.end_ns},
          {"engines", as_json(totals.engines)},
          {"operations", as_json(totals.operations)},
          {"kernels", as_json(totals.kernels)}};
}

Clock& Clock::get() {
  static auto* const clock = new Clock;
  return *clock;
}

StampPtr Clock::submit(std::span<const StampPtr> after, const Work& work, int device) {
  HostThread& thread = this_host_thread();
  start(thread, latest_host_);
  auto stamp = std::make_shared<Stamp>();
  for (const StampPtr& one : after) {
    if (one) stamp->after.push_back(one);
  }
  stamp->host = thread.last;
  stamp->host_extra = thread.extra;
  stamp->engine = work.engine;
  stamp->device = device;
  stamp->bytes = work.bytes;
  stamp->name = work.name;
  pending_.push_back(stamp);
  return stamp;
}

void Clock::complete(Stamp& stamp, double duration_ns, double share) {
  stamp.duration = duration_ns;
  stamp.share = share;
  stamp.known = true;
  stamp.waiting = false;
  if (!pending_.empty() && pending_.front()->known) resolve(false);
}

void Clock::host_waited(std::span<const StampPtr> stamps, double cost_ns) {
  HostThread& thread = this_host_thread();
  start(thread, latest_host_);
  auto stamp = std::make_shared<Stamp>();
  for (const StampPtr& one : stamps) {
    if (one) stamp->after.push_back(one);
  }
  stamp->host = thread.last;
  stamp->host_extra = thread.extra + cost_ns;
  stamp->known = true;
  stamp->waiter = &thread;
  pending_.push_back(stamp);
  thread.last = latest_host_ = stamp;
  thread.extra = 0;
  thread.own_ns = thread.own_ns + cost_ns;
  resolve(false);
}

bool Clock::resolvable(const Stamp& stamp) const {
  return stamp.known && (!stamp.host || stamp.host->resolved) &&
         std::all_of(stamp.after.begin(), stamp.after.end(),
                     [](const StampPtr& one) { return one->resolved; });
}

void Clock::resolve(bool skip_running) {
  std::deque<StampPtr> kept;
  while (!pending_.empty()) {
    const StampPtr stamp = pending_.front();
    // Behind a value that nobody has written yet, everything that depends on it is held up, and
    // nothing else.
    const bool held = stamp->waiting || std::any_of(stamp->after.begin(), stamp->after.end(),
                                                    [](const StampPtr& s) { return s->waiting; });
    if (!resolvable(*stamp)) {
      if (!held && !skip_running && !stamp->known) break;
      if (held) stamp->waiting = !stamp->known;
      kept.push_back(stamp);
    } else {
      place(*stamp);
    }
    pending_.pop_front();
  }
  pending_.insert(pending_.begin(), kept.begin(), kept.end());
}

void Clock::place(Stamp& stamp) {
  const double host = stamp.host_extra + (stamp.host ? stamp.host->end : 0);
  double ready = host;
  for (const StampPtr& one : stamp.after) ready = std::max(ready, one->end);
  if (stamp.waiter) stamp.waiter->blocked_ns += ready - host;
  Timeline& timeline = timelines_[stamp.device];
  Interval at{ready, ready, 0};
  switch (stamp.engine) {
    case Engine::None:
      at.end += stamp.duration;
      break;
    case Engine::Compute:
      at = timeline.kernel(ready, stamp.duration, stamp.share);
      break;
    case Engine::CopyHtoD:
    case Engine::CopyDtoH:
    case Engine::CopyDtoD:
      at = timeline.copy(stamp.engine, ready, stamp.bytes);
      break;
  }
  stamp.begin = at.begin;
  stamp.end = at.end;
  stamp.resolved = true;
  stamp.after.clear();  // or every stamp would keep all of history alive
  stamp.host.reset();
  totals_.end_ns = std::max(totals_.end_ns, at.end);
  if (stamp.engine == Engine::None) return;
  const auto count = [&](ClockTotals::Count& total) {
    total.count++;
    total.bytes += stamp.bytes;
    total.busy_ns += at.end - at.begin;
  };
  count(totals_.engines[engine_name(stamp.engine)]);
  count((stamp.engine == Engine::Compute ? totals_.kernels : totals_.operations)[stamp.name]);
}

ClockTotals Clock::totals() const {
  ClockTotals result = totals_;
  for (const HostThread* thread = first_host_thread(); thread; thread = thread->next) {
    const double base = thread->last ? thread->last->end : 0;
    result.end_ns = std::max(result.end_ns, base + thread->extra);
  }
  return result;
}

}  // namespace sim
