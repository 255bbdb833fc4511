// SPDX-License-Identifier: Apache-2.0
// A plan in use: who of the job's ranges is who in it, where in it the job is, and which moves it
// asks for there.
#pragma once

#include <deque>
#include <optional>

#include "policy/follower.h"
#include "policy/ranges.h"

namespace spillway::policy {

class Course {
 public:
  static constexpr uint32_t kNowhere = ~0u;

  Course(History& history, const Ranges& ranges) : history_(history), ranges_(ranges) {}

  // Takes up a plan for what the history has confirmed, in place of any before.
  void adopt(Loop loop, Plan plan);
  // Its lap in events; 0: there is none.
  uint64_t length() const { return follower_ ? follower_->loop().length : 0; }
  // The job does, just now, what was planned.
  bool followed() const { return followed_; }
  uint64_t laps() const { return laps_; }  // that were followed to their end
  const Cycle* cycle() const { return follower_ ? &follower_->loop().cycle : nullptr; }

  // Events, in their order.
  void allocated(uint64_t event, Handle range);
  void freed(Handle range);
  void launched(uint64_t event, std::span<const Touch> touches);

  // There is something to propose.
  bool proposes();
  void propose(const Space& space, std::vector<Proposal>* out);

 private:
  uint32_t follow(uint64_t event);
  void seat(uint32_t slot, Handle range);
  void seat_touched(uint32_t place, std::span<const Handle> ranges);
  void catch_up();
  const NewPiece* piece_of(uint32_t block) const;
  uint32_t next_to_return();
  void leave_strays(uint64_t bytes, std::vector<Proposal>* out);

  History& history_;
  const Ranges& ranges_;
  std::optional<Follower> follower_;
  uint64_t epoch_ = 0;  // of the plan: marks in the history that are of others do not count
  bool followed_ = false;
  uint64_t laps_ = 0;
  std::vector<Handle> holders_;        // by slot
  std::vector<uint32_t> slots_;        // by range
  std::vector<uint32_t> block_slots_;  // by block
  std::deque<uint32_t> waiting_;       // blocks that should be there since the plan was joined
  std::vector<uint32_t> strays_;       // pieces that should not
  std::vector<Handle> touched_;        // by the present launch
};

}  // namespace spillway::policy
