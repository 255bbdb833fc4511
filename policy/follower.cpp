// SPDX-License-Identifier: Apache-2.0
#include "policy/follower.h"

#include <algorithm>
#include <utility>

namespace spillway::policy {

Follower::Follower(Loop loop, Plan plan)
    : loop_(std::move(loop)),
      plan_(std::move(plan)),
      n_(loop_.cycle.kernels()),
      first_absence_(n_ + 1, 0),
      absences_of_(loop_.cycle.blocks.size()) {
  for (uint32_t a = 0; a < plan_.absences.size(); a++) {
    first_absence_[plan_.absences[a].after + 1]++;
    absences_of_[plan_.absences[a].block].push_back(a);
  }
  for (size_t k = 0; k < n_; k++) first_absence_[k + 1] += first_absence_[k];
}

uint64_t Follower::due_of(uint64_t number) const {
  const size_t trips = plan_.returns.size();
  return number / trips * n_ + plan_.absences[plan_.returns[number % trips]].due % n_;
}

uint64_t Follower::from_of(uint64_t number) const {
  const Absence& absence = plan_.absences[plan_.returns[number % plan_.returns.size()]];
  const uint64_t before = absence.due - absence.from, due = due_of(number);
  return due > before ? due - before : 0;
}

void Follower::leap(uint32_t kernel) {
  position_ += n_;  // a lap in hand, so that what may come early has a position
  position_ = position_ / n_ * n_ + kernel;
  const size_t trips = plan_.returns.size();
  const auto first = std::ranges::upper_bound(
      plan_.returns, kernel, {}, [&](uint32_t a) { return plan_.absences[a].due % n_; });
  next_ = position_ / n_ * trips + static_cast<uint64_t>(first - plan_.returns.begin());
  leaving_.clear();
}

bool Follower::come_to(uint32_t kernel) {
  const bool leapt = !started_ || (position_ + 1) % n_ != kernel;
  started_ = true;
  if (leapt)
    leap(kernel);
  else
    position_++;
  for (uint32_t a = first_absence_[kernel]; a < first_absence_[kernel + 1]; a++)
    leaving_.push_back(plan_.absences[a].block);
  return leapt;
}

std::vector<uint32_t> Follower::take_leaving() {
  return std::exchange(leaving_, {});
}

uint32_t Follower::next_return(size_t ahead) const {
  const size_t trips = plan_.returns.size();
  if (!trips || ahead >= trips || from_of(next_ + ahead) > position_) return kNone;
  return plan_.absences[plan_.returns[(next_ + ahead) % trips]].block;
}

bool Follower::present(uint32_t block) const {
  const uint64_t kernel = position_ % n_;
  for (const uint32_t a : absences_of_[block]) {
    const Absence& absence = plan_.absences[a];
    const uint64_t at = absence.after < kernel ? kernel : kernel + n_;
    if (at < absence.due) return false;
  }
  return true;
}

}  // namespace spillway::policy
