// SPDX-License-Identifier: Apache-2.0
// Running operations; see schedule.h.
#include "tests/sim/driver/schedule.h"

#include <signal.h>

#include <algorithm>
#include <system_error>
#include <thread>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/streams.h"

namespace sim {
namespace {

using SteadyClock = std::chrono::steady_clock;

uint64_t mix(uint64_t x) {  // SplitMix64's output function
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Scheduler::Scheduler() : seed_(settings().seed) {}

Scheduler& Scheduler::get() {
  static auto* const scheduler = new Scheduler;
  return *scheduler;
}

bool Scheduler::done(const Point& point) {
  return !point.operation || point.operation->state == Operation::State::Done;
}

Point Scheduler::submit(Context* context, int device, std::shared_ptr<Stream> stream, Work work,
                        std::span<const Point> after) {
  auto operation = std::make_shared<Operation>();
  std::vector<StampPtr> stamps;
  stamps.reserve(after.size());
  for (const Point& point : after) stamps.push_back(point.stamp);
  operation->stamp = Clock::get().submit(stamps, work, device);
  operation->work = std::move(work);
  operation->context = context;
  operation->stream = std::move(stream);
  if (operation->stream) operation->stream->backlog++;

  const uint64_t number = ++submitted_;
  const uint64_t random = mix(seed_ ^ mix(number));
  operation->priority = mix(random);
  operation->hold_until_submitted = 0;
  switch (random % 4) {
    case 0:
    case 1:
      break;  // not held
    case 2:
      operation->hold_until_submitted = number + 1 + (random >> 8) % 32;
      break;
    case 3:
      operation->hold_until_submitted = ~uint64_t{0};
      break;  // until the host blocks
  }
  operation->blockers = 1;  // keeps it blocked while its dependencies are counted
  for (const Point& point : after) {
    if (done(point)) continue;
    point.operation->followers.push_back(operation);
    operation->blockers++;
  }
  const Point result{operation, operation->stamp};
  unblock(operation);
  relieve();
  return result;
}

// One thing less that the operation waits for. Markers end here, on whichever thread this is, so a
// chain of them is walked iteratively.
void Scheduler::unblock(const OperationPtr& first) {
  std::vector<OperationPtr> todo{first};
  while (!todo.empty()) {
    const OperationPtr operation = std::move(todo.back());
    todo.pop_back();
    if (--operation->blockers) continue;
    if (operation->work.ready) {
      operation->state = Operation::State::Polled;
      operation->stamp->waiting = !operation->work.bounded;
      polled_.push_back(operation);
      for_workers_.notify_one();
    } else if (operation->work.run) {
      operation->state = Operation::State::Ready;
      operation->hold_until = SteadyClock::now() + kLongestHold;
      ready_.push_back(operation);
      if (workers_ < kWorkers && !idle_) start_worker();
      for_workers_.notify_one();
    } else {
      const auto followers = std::move(operation->followers);
      finish(operation, 0, 1);
      todo.insert(todo.end(), followers.begin(), followers.end());
    }
  }
}

// The caller has taken the followers and unblocks them.
void Scheduler::finish(const OperationPtr& operation, double duration_ns, double share) {
  operation->state = Operation::State::Done;
  operation->work = {};  // what it captured may own memory
  completed_++;
  if (operation->stream) {
    operation->stream->backlog--;
    Point& tail = operation->stream->tail;
    if (tail.operation == operation) tail.operation = nullptr;
    operation->stream = nullptr;
  }
  Clock::get().complete(*operation->stamp, duration_ns, share);
  for_hosts_.notify_all();
}

bool Scheduler::held(const Operation& operation) const {
  return !blocked_hosts_ && submitted_ < operation.hold_until_submitted &&
         SteadyClock::now() < operation.hold_until;
}

Scheduler::OperationPtr Scheduler::pick() {
  auto best = ready_.end();
  for (auto it = ready_.begin(); it != ready_.end(); ++it) {
    if (held(**it)) continue;
    if (best == ready_.end() || (*it)->priority < (*best)->priority) best = it;
  }
  if (best == ready_.end()) return nullptr;
  OperationPtr chosen = std::move(*best);
  *best = std::move(ready_.back());
  ready_.pop_back();
  return chosen;
}

void Scheduler::poll() {
  for (size_t i = 0; i < polled_.size();) {
    const OperationPtr operation = polled_[i];
    if (operation->context->sticky == CUDA_SUCCESS && !operation->work.ready()) {
      i++;
      continue;
    }
    polled_[i] = polled_.back();
    polled_.pop_back();
    operation->stamp->waiting = false;
    operation->state = Operation::State::Ready;
    operation->hold_until = SteadyClock::now();
    ready_.push_back(operation);
  }
}

void Scheduler::start_worker() {
  // The application's signals are for its own threads; faults of simulated work are ours.
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    std::thread([this] { work(); }).detach();
    workers_++;
    last_pick_ = SteadyClock::now();
  } catch (const std::system_error&) {
    if (!workers_) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;  // there would never be progress
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Scheduler::relieve() {
  if (idle_ || (ready_.empty() && polled_.empty())) return;
  if (workers_ < kWorkers ||
      (workers_ < kMostWorkers && SteadyClock::now() - last_pick_ > kStarved)) {
    start_worker();
  }
}

void Scheduler::work() {
  Lock lock(mutex_);
  for (;;) {
    poll();
    const OperationPtr operation = pick();
    if (!operation) {
      idle_++;
      if (ready_.empty() && polled_.empty()) {
        for_workers_.wait(lock);
      } else {
        for_workers_.wait_for(lock, kLongestHold / 4);
      }
      idle_--;
      continue;
    }
    last_pick_ = SteadyClock::now();
    operation->state = Operation::State::Running;
    Done done;
    lock.unlock();
    Context* const context = operation->context;
    if (operation->work.after_error || context->sticky == CUDA_SUCCESS) {
      done = operation->work.run();
      if (done.status != CUDA_SUCCESS) poison(context, done.status, done.message);
    }
    const Work finished = std::move(operation->work);  // destroyed without the lock
    lock.lock();
    const auto followers = std::move(operation->followers);
    finish(operation, done.duration_ns, done.share);
    for (const OperationPtr& follower : followers) unblock(follower);
    lock.unlock();
    // `finished` goes here
    lock.lock();
  }
}

void Scheduler::block(Lock& lock, const std::function<bool()>& predicate) {
  blocked_hosts_++;
  for_workers_.notify_all();
  while (!predicate()) {
    relieve();
    for_hosts_.wait_for(lock, kStarved);
  }
  blocked_hosts_--;
}

void Scheduler::wait(Lock& lock, std::span<const Point> points) {
  if (!std::all_of(points.begin(), points.end(), done)) {
    block(lock, [&] { return std::all_of(points.begin(), points.end(), done); });
  }
  std::vector<StampPtr> stamps;
  for (const Point& point : points) stamps.push_back(point.stamp);
  Clock::get().host_waited(stamps, profile().sync_ns);
}

void Scheduler::wait_resolved(Lock& lock, std::span<const StampPtr> stamps) {
  const auto resolved = [&] {
    Clock::get().resolve(false);
    return std::all_of(stamps.begin(), stamps.end(), [](const StampPtr& s) { return s->resolved; });
  };
  // A kernel that spins until the host speaks would hold the clock for ever.
  const auto limit = SteadyClock::now() + std::chrono::seconds(1);
  block(lock, [&] { return resolved() || SteadyClock::now() > limit; });
  if (!resolved()) Clock::get().resolve(true);
}

void Scheduler::drain(Lock& lock, std::chrono::milliseconds limit) {
  const auto end = SteadyClock::now() + limit;
  block(lock, [&] { return completed_ == submitted_ || SteadyClock::now() > end; });
  Clock::get().resolve(true);
}

}  // namespace sim
