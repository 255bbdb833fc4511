// SPDX-License-Identifier: Apache-2.0
// Moves without a plan, while the job repeats something: what is expected to be used within the
// next launches is fetched, in the room of what is used last, and a little room is kept free.
#pragma once

#include <deque>

#include "policy/ranges.h"

namespace spillway::policy {

class Online {
 public:
  Online(const History& history, const Ranges& ranges) : history_(history), ranges_(ranges) {}

  // After a launch. True: something that is used soon is not there.
  bool look_ahead();
  void propose(const Space& space, uint64_t capacity, std::vector<Proposal>* out) const;
  void forget() { wanted_.clear(); }

 private:
  struct Wanted {
    Handle range;
    uint64_t life;
    uint64_t event;  // that will use it
  };

  bool done(const Wanted& wanted) const;
  void make_room(uint64_t bytes, uint64_t soonest, std::vector<Proposal>* out) const;

  const History& history_;
  const Ranges& ranges_;
  std::deque<Wanted> wanted_;  // in the order of use
  uint64_t seen_ = 0, seen_distance_ = 0;
};

}  // namespace spillway::policy
