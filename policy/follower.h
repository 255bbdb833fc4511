// SPDX-License-Identifier: Apache-2.0
// Walks along a plan while the job does what the plan was made from: which blocks leave now, and
// which may come back now.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "policy/loop.h"
#include "policy/plan.h"

namespace spillway::policy {

class Follower {
 public:
  Follower(Loop loop, Plan plan);

  const Loop& loop() const { return loop_; }
  const Plan& plan() const { return plan_; }

  // The job has come to kernel `kernel`, by the lap or by a leap. True: it was a leap.
  bool come_to(uint32_t kernel);
  // Blocks that leave behind the present kernel; those of kernels since the last call too.
  std::vector<uint32_t> take_leaving();
  bool leaving() const { return !leaving_.empty(); }

  // The next to return, in its order, if it may by now. kNone: not yet.
  static constexpr uint32_t kNone = ~0u;
  uint32_t next_return(size_t ahead = 0) const;
  void skip_return() { next_++; }

  // Whether the plan has the block on the device while the present kernel runs.
  bool present(uint32_t block) const;

 private:
  uint64_t due_of(uint64_t number) const;
  uint64_t from_of(uint64_t number) const;
  void leap(uint32_t kernel);

  const Loop loop_;
  const Plan plan_;
  const uint64_t n_;
  uint64_t position_ = 0;  // kernels, counted through all laps
  bool started_ = false;
  uint64_t next_ = 0;  // of the returns, counted through all laps
  std::vector<uint32_t> leaving_;
  std::vector<uint32_t> first_absence_;             // by kernel
  std::vector<std::vector<uint32_t>> absences_of_;  // by block
};

}  // namespace spillway::policy
