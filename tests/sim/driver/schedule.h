// SPDX-License-Identifier: Apache-2.0
// Operations of the simulated device and the worker threads that run them. An operation runs once
// everything it depends on is done; among those that may run, SIMCUDA_SEED decides. Streams, events
// and graphs are only ways of saying what depends on what.
//
// Strictness: a ready operation may also be held back, until the host blocks, until some more
// operations have been submitted, or until kLongestHold has passed, so that a device far behind the
// host is the normal case and unordered work runs in every order over enough seeds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tests/sim/driver/clock.h"
#include "tests/sim/driver/stream.h"

namespace sim {

struct Operation;

// A place in the order of things: what must be done, and when that is in virtual time. Empty:
// nothing.
struct Point {
  std::shared_ptr<Operation> operation;
  StampPtr stamp;
};

struct Operation {
  enum class State { Blocked, Polled, Ready, Running, Done };

  Work work;
  Context* context = nullptr;
  std::shared_ptr<Stream> stream;  // whose backlog it counts in; null: none
  StampPtr stamp;
  State state = State::Blocked;
  unsigned blockers = 0;
  std::vector<std::shared_ptr<Operation>> followers;
  // From the seed and the number of the operation alone.
  uint64_t priority = 0;
  uint64_t hold_until_submitted = 0;  // 0: not held
  std::chrono::steady_clock::time_point hold_until;
};

class Scheduler {
 public:
  using Lock = std::unique_lock<std::mutex>;

  static Scheduler& get();  // leaked: calls arrive after C++ destructors ran
  Lock lock() { return Lock(mutex_); }

  // Both with the lock held. Without work.run it is a marker, done as soon as `after` is.
  Point submit(Context* context, int device, std::shared_ptr<Stream> stream, Work work,
               std::span<const Point> after);
  static bool done(const Point& point);
  // Blocks the host, lock released meanwhile, until predicate() holds.
  void block(Lock& lock, const std::function<bool()>& predicate);
  void wait(Lock& lock, std::span<const Point> points);
  void wait(Lock& lock, const Point& point) { wait(lock, std::span(&point, 1)); }
  // A host that polls: lets a starved device go on.
  void relieve();
  // Blocks until the virtual time of every stamp is known, without ever waiting for work that waits
  // for the host.
  void wait_resolved(Lock& lock, std::span<const StampPtr> stamps);
  // For the exit report: gives outstanding work this long to end.
  void drain(Lock& lock, std::chrono::milliseconds limit);

 private:
  using OperationPtr = std::shared_ptr<Operation>;
  static constexpr std::chrono::microseconds kLongestHold{200};
  static constexpr std::chrono::milliseconds kStarved{5};
  static constexpr size_t kWorkers = 3;  // more only when all of them are stuck in long work
  static constexpr size_t kMostWorkers = 64;

  Scheduler();
  void unblock(const OperationPtr& operation);
  void finish(const OperationPtr& operation, double duration_ns, double share);
  bool held(const Operation& operation) const;
  OperationPtr pick();
  void poll();
  void start_worker();
  void work();

  std::mutex mutex_;
  std::condition_variable for_workers_, for_hosts_;
  std::vector<OperationPtr> ready_, polled_;
  const uint64_t seed_;
  uint64_t submitted_ = 0, completed_ = 0;
  size_t workers_ = 0, idle_ = 0, blocked_hosts_ = 0;
  std::chrono::steady_clock::time_point last_pick_;
};

}  // namespace sim
