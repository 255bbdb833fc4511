// SPDX-License-Identifier: Apache-2.0
// Room on one device: who has to leave for what comes in, and how much is kept free in advance.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "runtime/capture.h"
#include "runtime/engine.h"
#include "runtime/mover.h"

namespace spillway {

// The device's token for the length of a scope: its holder, and nobody else, maps, unmaps, creates
// and releases. Waits for it; the ledger is released meanwhile. What is done with it must not
// disturb a capture that this thread has in progress.
class Token {
 public:
  Token(Engine& engine, Device& device, Held& held)
      : engine_(engine), device_(device), held_(held), relaxed_(engine.driver) {
    engine_.changed.wait(held_, [&] { return !device_.moving; });
    device_.moving = true;
  }
  ~Token() {
    if (!held_.owns_lock()) held_.lock();
    device_.moving = false;
    engine_.changed.notify_all();
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

 private:
  Engine& engine_;
  Device& device_;
  Held& held_;
  RelaxedCapture relaxed_;
};

// The ledger released for the length of a scope.
class Unlocked {
 public:
  explicit Unlocked(Held& held) : held_(held) { held_.unlock(); }
  ~Unlocked() { held_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Held& held_;
};

// Lives no longer than the token and the possession of the ledger that it is made with; functions
// may release the ledger in between.
class Room {
 public:
  // `keep`: ranges that do not leave, because they are what the room is for.
  Room(Engine& engine, Device& device, Held& held, std::span<Range* const> keep)
      : engine_(engine), device_(device), held_(held), keep_(keep), mover_(engine, device) {}

  // Chunks for `bytes`, if need be from victims. `wanted`: what the caller will ask for in all;
  // victims for all of it begin to leave together. False: nothing can leave any more.
  bool make(uint64_t bytes, uint64_t wanted, std::vector<Chunk>* out);
  // Chunks for `bytes` without anybody leaving.
  bool take(uint64_t bytes, std::vector<Chunk>* out);
  // Until the lane in has place. What leaves meanwhile goes on leaving.
  void wait_for_lane();
  // The memory of freed ranges that are idle. False: there was none.
  bool drop_idle(uint64_t bytes) { return drop_cached(bytes, false); }
  policy::Space space() const;
  // Takes everything away from a range that is nobody's any more, and from seams that only it has,
  // when their uses are over; it has no address then. Unknown: a capture is in the way, nothing was
  // done. Failed: the driver keeps it; it is Lost.
  Waited drop(Range& range);
  // Gives about `bytes` back to the driver, of which it has none left. False: there was nothing.
  bool relieve(uint64_t bytes);

  // Once something had to leave, a little room is kept free, so that what comes in next need not
  // wait for what goes out: both directions of the link run at once.
  void keep_spare();
  // What is held may be more than the budget by now: the limit was lowered, or others took memory.
  // What is idle goes back to the driver, and more begins to leave; `wait`: until it is enough.
  void shrink(bool wait = false);

 private:
  bool free_some(uint64_t bytes);
  bool drop_cached(uint64_t bytes, bool wait);
  bool evict(uint64_t bytes);
  bool wait_for_others();
  bool wait_for_next();
  bool settle_oldest(std::deque<Move> Device::*direction);
  uint64_t leaving_bytes() const;    // that will be idle when the copies under way are over
  uint64_t departing_bytes() const;  // that a plan lets go, and that wait for the lane
  uint64_t cached_bytes() const;     // of freed ranges that still have their memory
  uint64_t spare_bytes() const;

  Engine& engine_;
  Device& device_;
  Held& held_;
  std::span<Range* const> keep_;
  Mover mover_;
  std::set<uint32_t> stuck_;  // pieces that would not go: not asked again
};

}  // namespace spillway
