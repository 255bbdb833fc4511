// SPDX-License-Identifier: Apache-2.0
#include "policy/plan_model.h"

#include <algorithm>
#include <deque>

#include "policy/link_clock.h"

namespace spillway::policy {

namespace {

constexpr uint64_t kLaps = 5;       // the first two or three differ
constexpr uint64_t kCounted = 2;    // the last: one may lend the next what it lacks
constexpr double kSubmit = 2'500;   // ns of the job's thread for a launch
constexpr size_t kQueuedMoves = 4;  // in a lane (runtime/mover_settle.cpp)
constexpr size_t kAhead = 1024;     // launches that a stream holds before the job's thread waits

class Model {
 public:
  Model(const Gaps& gaps, const Plan& plan, const PlanTerms& terms)
      : cycle_(gaps.cycle()),
        plan_(plan),
        terms_(terms),
        n_(static_cast<uint32_t>(cycle_.kernels())),
        trips_(plan.returns.size()),
        link_(terms.link),
        gone_(plan.absences.size(), 0),
        arrived_(plan.absences.size(), 0),
        ends_(kAhead, 0) {
    index();
  }

  Lap run() {
    double begin = 0;
    for (uint64_t lap = 0; lap < kLaps; lap++) {
      if (lap + kCounted == kLaps) begin = gpu_;
      for (uint32_t kernel = 0; kernel < n_; kernel++)
        if (!step(lap * n_ + kernel, kernel)) return {};
    }
    return {(gpu_ - begin) / kCounted, true};
  }

 private:
  struct Going {
    double end;  // when it is over
    double bytes;
  };

  double bytes(uint32_t absence) const {
    return static_cast<double>(cycle_.blocks[plan_.absences[absence].block].bytes);
  }

  // At the beginning of a lap, what the plan has on the device then is there.
  void index() {
    births_.assign(n_, 0);
    deaths_.assign(n_, 0);
    free_ = static_cast<double>(terms_.capacity);
    for (const Block& block : cycle_.blocks) {
      const auto size = static_cast<double>(block.bytes);
      if (block.lasting ? block.count > 0 : block.dies > n_) free_ -= size;
      if (block.lasting) continue;
      births_[block.born] += size;
      deaths_[block.dies % n_] += size;
    }
    first_absence_.assign(n_ + 1, 0);
    first_return_.assign(n_ + 1, 0);
    for (uint32_t a = 0; a < plan_.absences.size(); a++) {
      const Absence& absence = plan_.absences[a];
      first_absence_[absence.after + 1]++;
      first_return_[absence.due % n_ + 1]++;
      if (absence.due >= n_) free_ += bytes(a);
    }
    for (uint32_t k = 0; k < n_; k++) {
      first_absence_[k + 1] += first_absence_[k];
      first_return_[k + 1] += first_return_[k];
    }
  }

  void settle(double until) {
    while (!coming_.empty() && coming_.front() <= until) coming_.pop_front();
    for (; !leaving_.empty() && leaving_.front().end <= until; leaving_.pop_front())
      free_ += leaving_.front().bytes;
    for (; !dead_.empty() && dead_.front().end <= until; dead_.pop_front())
      free_ += dead_.front().bytes;
  }

  // The job's thread waits until something more is free. False: nothing will be.
  bool wait() {
    if (leaving_.empty() && dead_.empty()) return false;
    const double leaves = leaving_.empty() ? dead_.front().end : leaving_.front().end;
    const double dies = dead_.empty() ? leaves : dead_.front().end;
    host_ = std::max(host_, std::min(leaves, dies));
    settle(host_);
    return true;
  }

  // Memory that was freed in the stream is at once the next allocation's.
  bool bear(double born) {
    while (born > 0 && !dead_.empty()) {
      const double taken = std::min(born, dead_.back().bytes);
      born -= taken;
      if ((dead_.back().bytes -= taken) <= 0) dead_.pop_back();
    }
    while (free_ < born)
      if (!wait()) return false;
    free_ -= born;
    return true;
  }

  // Of the next to return: where it is needed, and from where on it may come.
  uint32_t head() const { return plan_.returns[next_ % trips_]; }
  uint64_t head_due() const { return next_ / trips_ * n_ + plan_.absences[head()].due % n_; }
  uint64_t head_from() const {
    const Absence& absence = plan_.absences[head()];
    const uint64_t before = absence.due - absence.from, due = head_due();
    return due > before ? due - before : 0;
  }
  bool head_can(double at) const { return free_ >= bytes(head()) && gone_[head()] <= at; }
  bool full() const { return coming_.size() >= kQueuedMoves; }
  void start_head(double at) {
    mover_ = std::max(mover_, at) + terms_.move_ns;
    free_ -= bytes(head());
    arrived_[head()] = link_.copy(LinkClock::In, mover_, static_cast<uint64_t>(bytes(head())));
    coming_.push_back(arrived_[head()]);
    next_++;
  }

  bool step(uint64_t position, uint32_t kernel) {
    host_ = std::max(host_ + kSubmit, ends_[position % kAhead]);
    settle(host_);
    if (deaths_[kernel] > 0) dead_.push_back({gpu_, deaths_[kernel]});
    if (!bear(births_[kernel])) return false;
    // What the plan lets come by now comes, in its order, as far as there is room.
    while (trips_ && !full() && head_from() <= position && head_can(host_)) start_head(host_);
    // What this kernel needs must come.
    while (trips_ && head_due() <= position) {
      host_ = std::max(host_, gone_[head()]);
      settle(host_);
      while (!head_can(host_))
        if (!wait()) return false;
      if (full()) {
        host_ = std::max(host_, coming_.front());
        settle(host_);
      }
      start_head(host_);
      host_ = std::max(host_, mover_);
    }
    double ready = std::max(gpu_, host_ + LinkClock::kLatency);
    for (uint32_t i = first_return_[kernel]; i < first_return_[kernel + 1]; i++)
      ready = std::max(ready, arrived_[plan_.returns[i]]);
    gpu_ = ends_[position % kAhead] = ready + static_cast<double>(cycle_.ns[kernel]);
    for (uint32_t a = first_absence_[kernel]; a < first_absence_[kernel + 1]; a++) {
      double end = gpu_;
      if (plan_.absences[a].dirty)
        end = link_.copy(LinkClock::Out, gpu_, static_cast<uint64_t>(bytes(a)));
      if (!leaving_.empty()) end = std::max(end, leaving_.back().end);
      leaving_.push_back({gone_[a] = end + terms_.move_ns, bytes(a)});
    }
    return true;
  }

  const Cycle& cycle_;
  const Plan& plan_;
  const PlanTerms terms_;
  const uint32_t n_;
  const size_t trips_;
  LinkClock link_;
  std::vector<double> births_, deaths_;  // bytes, just before each kernel
  std::vector<uint32_t> first_absence_, first_return_;
  std::vector<double> gone_, arrived_;  // of each absence: when it last was
  std::vector<double> ends_;            // of the last launches
  std::deque<Going> leaving_, dead_;
  std::deque<double> coming_;  // when each arrives
  double free_ = 0, host_ = 0, gpu_ = 0, mover_ = 0;
  size_t next_ = 0;  // of the returns, counted through all laps
};

}  // namespace

Lap run_laps(const Gaps& gaps, const Plan& plan, const PlanTerms& terms) {
  return Model(gaps, plan, terms).run();
}

}  // namespace spillway::policy
