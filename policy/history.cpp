// SPDX-License-Identifier: Apache-2.0
#include "policy/history.h"

#include <algorithm>

namespace spillway::policy {

namespace {

constexpr size_t kLeastPlaces = 1024;
// With the places of two events and three touches each.
constexpr size_t kBytesAnEvent = sizeof(History::Entry) + 3 * sizeof(History::Touch) + 2 * 16 + 8;
// The cursor compares so many earlier events that look like the present one.
constexpr int kCandidates = 32;
// An event that was not expected may be one too many, or a few may have been left out.
constexpr uint64_t kPatience = 4;

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93;
  return x ^ x >> 32;
}

}  // namespace

History::History(size_t bytes) : places_(kLeastPlaces) {
  set_memory(bytes);
}

void History::set_memory(size_t bytes) {
  constexpr size_t kLeast = 64;
  most_ = std::max(bytes / kBytesAnEvent, kLeast);
}

uint64_t History::allocated(uint64_t signature, uint64_t bytes) {
  return add({.signature = signature, .bytes = bytes});
}

void History::freed(uint64_t life) {
  if (has(life)) entries_[life - base_].ended = now();
}

uint64_t History::launched(uint64_t signature, std::span<const Used> used) {
  const uint64_t event = now();
  const uint64_t first = touch_base_ + touches_.size();
  for (const Used& use : used) {
    if (use.before != kNone && has_touch(use.before))
      touches_[use.before - touch_base_].next = event;
    touches_.push_back({use.life, kNone, use.mode});
  }
  return add({.signature = signature, .touches = first});
}

std::span<const History::Touch> History::touches(uint64_t event) const {
  const uint64_t begin = at(event).touches;
  const uint64_t end = event + 1 < now() ? at(event + 1).touches : touch_base_ + touches_.size();
  return {touches_.data() + (begin - touch_base_), end - begin};
}

uint64_t History::add(Entry entry) {
  if (entries_.size() >= most_) drop_old();
  const uint64_t event = now();
  if (entry.bytes) entry.touches = touch_base_ + touches_.size();
  entry.sum = entries_.empty() ? 0 : sum_with_last();
  entries_.push_back(entry);
  follow(event);
  enter(event);
  return event;
}

uint64_t History::power(uint64_t exponent) const {
  while (powers_.size() <= exponent) powers_.push_back(powers_.back() * kFactor);
  return powers_[exponent];
}

uint64_t History::sum_with_last() const {
  return entries_.back().sum * kFactor + mix(entries_.back().signature);
}

// Of the events [begin, end), whatever came before them. `end` may be now.
uint64_t History::sum_of(uint64_t begin, uint64_t end) const {
  const uint64_t all = end == now() ? sum_with_last() : at(end).sum;
  return all - at(begin).sum * power(end - begin);
}

uint64_t History::gram(uint64_t event) const {
  return event - base_ + 1 < kGram ? 0 : mix(sum_of(event + 1 - kGram, event + 1));
}

uint64_t History::common(uint64_t left, uint64_t right) const {
  uint64_t low = 0, high = std::min(left, right) - base_ + 1;
  while (low < high) {
    const uint64_t middle = (low + high + 1) / 2;
    if (sum_of(left + 1 - middle, left + 1) == sum_of(right + 1 - middle, right + 1))
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

void History::follow(uint64_t event) {
  const uint64_t expected = expected_ != kNone && has(expected_) ? expected_ : kNone;
  if (expected != kNone && at(expected).signature == at(event).signature) [[likely]] {
    twin_ = expected_++;
    run_++;
    astray_ = 0;
    return;
  }
  find(event);
  if (twin_ != kNone || expected == kNone || ++astray_ > kPatience) return;
  // By what came before it, it is not found. It may still be where it was, but for a few events.
  expected_ = expected;
  for (uint64_t at_most = std::min(expected + kPatience, event - 1), like = expected + 1;
       like <= at_most; like++) {
    if (at(like).signature != at(event).signature) continue;
    twin_ = like;
    expected_ = like + 1;
    return;
  }
}

// Among those that look like it, the one whose past is like its own for longest.
void History::find(uint64_t event) {
  twin_ = expected_ = kNone;
  run_ = 0;
  const uint64_t wanted = gram(event);
  if (!wanted) return;
  uint64_t candidate = place(wanted).event;
  for (int i = 0; i < kCandidates && has(candidate); i++, candidate = at(candidate).like) {
    const uint64_t like = common(candidate, event);
    if (like < kGram || like <= run_) continue;
    twin_ = candidate;
    expected_ = candidate + 1;
    run_ = like;
  }
  if (twin_ != kNone) astray_ = 0;
}

bool History::relock(uint64_t distance) {
  const uint64_t event = now() - 1;
  if (!distance || event < base_ + distance) return false;
  const uint64_t like = common(event - distance, event);
  if (like < kGram) return false;
  twin_ = event - distance;
  expected_ = twin_ + 1;
  run_ = like;
  return true;
}

History::Place& History::place(uint64_t gram) {
  const size_t mask = places_.size() - 1;
  size_t at = gram & mask;
  while (places_[at].event != kNone && places_[at].gram != gram) at = (at + 1) & mask;
  return places_[at];
}

void History::enter(uint64_t event) {
  const uint64_t own = gram(event);
  if (!own) return;
  Place& found = place(own);
  entries_[event - base_].like = found.event;
  if (found.event == kNone) placed_++;
  found = {own, event};
  if (2 * placed_ < places_.size()) return;
  std::vector<Place> old(2 * places_.size());
  old.swap(places_);
  for (const Place& each : old)
    if (each.event != kNone) place(each.gram) = each;
}

void History::drop_old() {
  const uint64_t from = base_ + entries_.size() / 2;
  const uint64_t touch_from = at(from).touches;
  touches_.erase(touches_.begin(),
                 touches_.begin() + static_cast<std::ptrdiff_t>(touch_from - touch_base_));
  touch_base_ = touch_from;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(from - base_));
  base_ = from;
  placed_ = 0;
  std::ranges::fill(places_, Place{});
  const uint64_t end = now();
  for (uint64_t event = base_; event < end; event++) {
    const uint64_t own = gram(event);
    if (!own) continue;
    Place& found = place(own);
    entries_[event - base_].like = found.event;
    if (found.event == kNone) placed_++;
    found = {own, event};
  }
  if (expected_ != kNone && !has(expected_)) {
    twin_ = expected_ = kNone;
    run_ = 0;
  }
}

}  // namespace spillway::policy
