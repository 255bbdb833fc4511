// SPDX-License-Identifier: Apache-2.0
// What a job did, and where in what it did before it seems to be now. A bounded log of events; a
// cursor that follows, in the log, what repeats itself; and the loop that has been confirmed.
//
// Events are numbered from 0 for ever; the oldest are dropped by half when the log is full. An
// allocation's life has the number of the event that made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/workload.h"

namespace spillway::policy {

class History {
 public:
  static constexpr uint64_t kNone = ~uint64_t{0};

  struct Touch {
    uint64_t life = 0;
    uint64_t next = kNone;  // the event that uses this life next; kNone: not yet
    Mode mode = Mode::ReadWrite;
  };
  struct Entry {
    uint64_t signature = 0;
    uint64_t sum = 0;        // of all signatures before, for comparing runs of events
    uint64_t like = kNone;   // the last event before with the same few events up to it
    uint64_t touches = 0;    // where they begin
    uint64_t ended = kNone;  // of an allocation: the number of the next event when it was freed
    uint64_t bytes = 0;      // of an allocation; 0: a launch
    uint64_t mark = 0;       // whoever plans with it may write here
  };

  // `bytes`: what the log may take.
  explicit History(size_t bytes);
  void set_memory(size_t bytes);

  // An allocation; its life is its event's number.
  uint64_t allocated(uint64_t signature, uint64_t bytes);
  void freed(uint64_t life);
  // A launch and what it uses. Each has the number of the touch of its life before this one.
  struct Used {
    uint64_t life = 0;
    Mode mode = Mode::ReadWrite;
    uint64_t before = kNone;
  };
  uint64_t launched(uint64_t signature, std::span<const Used> used);
  // Touches are numbered too: those of a launch in its order, from its entry's `touches` on.
  const Touch& touch(uint64_t number) const { return touches_[number - touch_base_]; }
  bool has_touch(uint64_t number) const {
    return number >= touch_base_ && number < touch_base_ + touches_.size();
  }

  uint64_t now() const { return base_ + entries_.size(); }  // the next event's number
  bool has(uint64_t event) const { return event >= base_ && event < now(); }
  const Entry& at(uint64_t event) const { return entries_[event - base_]; }
  void mark(uint64_t event, uint64_t mark) { entries_[event - base_].mark = mark; }
  std::span<const Touch> touches(uint64_t event) const;

  // --- the cursor, after an event ---
  // The event before that is like the last one, in its surroundings; kNone: nothing is.
  uint64_t twin() const { return twin_; }
  // The event before that is like the one to come.
  uint64_t expected() const { return expected_; }
  // How far back that is, and for how many events it has been so.
  uint64_t distance() const { return expected_ == kNone ? 0 : now() - expected_; }
  uint64_t run() const { return run_; }
  // What looks alike may still use other memory each time, and come back to the first only after
  // many rounds. The cursor goes `distance` back, if that is alike too.
  bool relock(uint64_t distance);
  // The last `distance` events are those before them once more.
  bool looped() const { return expected_ != kNone && run_ >= distance(); }

 private:
  // So many events in a row are looked up when the cursor is lost.
  static constexpr size_t kGram = 6;
  static constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;

  uint64_t add(Entry entry);
  void follow(uint64_t event);
  void find(uint64_t event);
  uint64_t gram(uint64_t event) const;  // of the kGram events up to it
  uint64_t sum_of(uint64_t begin, uint64_t end) const;
  uint64_t sum_with_last() const;
  uint64_t power(uint64_t exponent) const;
  uint64_t common(uint64_t left, uint64_t right) const;  // events up to both that are equal
  void enter(uint64_t event);
  void drop_old();

  struct Place {
    uint64_t gram = 0, event = kNone;
  };
  Place& place(uint64_t gram);

  size_t most_;  // events
  uint64_t base_ = 0;
  std::vector<Entry> entries_;
  uint64_t touch_base_ = 0;
  std::vector<Touch> touches_;
  std::vector<Place> places_;  // open addressing, by gram
  size_t placed_ = 0;
  mutable std::vector<uint64_t> powers_{1};
  uint64_t twin_ = kNone, expected_ = kNone, run_ = 0;
  uint64_t astray_ = 0;  // events since an expectation was last met
};

}  // namespace spillway::policy
