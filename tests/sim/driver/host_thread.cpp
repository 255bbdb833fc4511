// SPDX-License-Identifier: Apache-2.0
// Host threads and their sections of the report; see host_thread.h.
#include "tests/sim/driver/host_thread.h"

#include <pthread.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/sim/driver/clock.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/schedule.h"

namespace sim {
namespace {

constinit std::atomic<HostThread*> threads{nullptr};  // all of them, the latest first

std::vector<nlohmann::json>& snapshots() {  // under the scheduler's lock
  static auto* const all = new std::vector<nlohmann::json>;
  return *all;
}

void add(std::atomic<double>& sum, double value) {  // one writer
  sum.store(sum.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

nlohmann::json as_json(const HostThread& thread) {
  nlohmann::json calls = nlohmann::json::object();
  for (int kind = 0; kind < kCallKinds; kind++) {
    calls[kCallKindNames[kind]] = thread.calls[kind].load(std::memory_order_relaxed);
  }
  return {{"name", thread.name},
          {"id", thread.id},
          {"now_ns", virtual_now(thread)},
          {"blocked_ns", thread.blocked_ns},
          {"own_ns", thread.own_ns.load(std::memory_order_relaxed)},
          {"calls", calls}};
}

// With the scheduler's lock held and nothing outstanding. In the order in which they came.
nlohmann::json all_threads() {
  nlohmann::json list = nlohmann::json::array();
  for (const HostThread* thread = threads; thread; thread = thread->next) {
    list.insert(list.begin(), as_json(*thread));
  }
  return list;
}

constexpr std::chrono::seconds kPatience{5};

const ReportSection threads_section("threads", [] {
  auto lock = Scheduler::get().lock();
  Scheduler::get().drain(lock, kPatience);
  return all_threads();
});

const ReportSection snapshots_section("snapshots", [] {
  const auto lock = Scheduler::get().lock();
  return nlohmann::json(snapshots());
});

}  // namespace

HostThread& this_host_thread() {
  thread_local HostThread* const mine = [] {
    auto* made = new HostThread;
    made->id = gettid();
    pthread_getname_np(pthread_self(), made->name, sizeof made->name);
    made->next = threads;
    while (!threads.compare_exchange_weak(made->next, made)) {
    }
    return made;
  }();
  return *mine;
}

double virtual_now(const HostThread& thread) {
  return (thread.last ? thread.last->end : 0) + thread.extra.load(std::memory_order_relaxed);
}

HostThread* first_host_thread() {
  return threads;
}

void count_host_call(CallKind kind) {
  std::atomic<uint64_t>& count = this_host_thread().calls[static_cast<int>(kind)];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void host_cost_ns(double nanoseconds) {
  HostThread& thread = this_host_thread();
  add(thread.extra, nanoseconds);
  add(thread.own_ns, nanoseconds);
}

}  // namespace sim

extern "C" __attribute__((visibility("default"))) void simcuda_snapshot(const char* name) {
  using namespace sim;
  auto lock = Scheduler::get().lock();
  Scheduler::get().drain(lock, kPatience);
  nlohmann::json taken = clock_json();
  taken["name"] = name;
  taken["now_ns"] = virtual_now(this_host_thread());
  taken["thread"] = this_host_thread().id;
  taken["threads"] = all_threads();
  snapshots().push_back(std::move(taken));
}
