// SPDX-License-Identifier: Apache-2.0
#include "policy/course.h"

#include <algorithm>

namespace spillway::policy {

void Course::seat(uint32_t slot, Handle range) {
  const Handle before = holders_[slot];
  if (before == range) return;
  if (slots_.size() <= range) slots_.resize(range + 1, Loop::kNobody);
  if (before != Ranges::kNobody && slots_[before] == slot) slots_[before] = Loop::kNobody;
  if (slots_[range] != Loop::kNobody) holders_[slots_[range]] = Ranges::kNobody;
  slots_[range] = slot;
  holders_[slot] = range;
}

void Course::seat_touched(uint32_t place, std::span<const Handle> ranges) {
  const Loop& loop = follower_->loop();
  const uint32_t begin = loop.first_touch[place], count = loop.first_touch[place + 1] - begin;
  for (uint32_t i = 0; i < count && i < ranges.size(); i++)
    if (ranges[i] != Ranges::kNobody) seat(loop.touched[begin + i], ranges[i]);
}

// Where in the plan's lap an event is, by its twin; kNowhere: not in it.
uint32_t Course::follow(uint64_t event) {
  followed_ = false;
  const uint64_t twin = history_.twin();
  if (!follower_ || twin == History::kNone) return kNowhere;
  const uint64_t mark = history_.at(twin).mark;
  if (mark >> 32 != epoch_) return kNowhere;
  history_.mark(event, mark);
  followed_ = true;
  return static_cast<uint32_t>(mark);
}

void Course::allocated(uint64_t event, Handle range) {
  const uint32_t place = follow(event);
  if (place != kNowhere && follower_->loop().made[place] != Loop::kNobody)
    seat(follower_->loop().made[place], range);
}

void Course::freed(Handle range) {
  if (range >= slots_.size() || slots_[range] == Loop::kNobody) return;
  holders_[slots_[range]] = Ranges::kNobody;
  slots_[range] = Loop::kNobody;
}

void Course::launched(uint64_t event, std::span<const Touch> touches) {
  const uint32_t place = follow(event);
  if (place == kNowhere) return;
  touched_.clear();
  for (const Touch& touch : touches) touched_.push_back(touch.range);
  seat_touched(place, touched_);
  const uint32_t kernel = follower_->loop().kernel[place];
  if (follower_->come_to(kernel))
    catch_up();
  else if (kernel == 0)
    laps_++;
}

void Course::adopt(Loop loop, Plan plan) {
  epoch_++;
  const uint64_t begin = loop.begin, length = loop.length;
  holders_.assign(loop.slots.size(), Ranges::kNobody);
  slots_.assign(ranges_.end(), Loop::kNobody);
  block_slots_.clear();
  for (uint32_t s = 0; s < loop.slots.size(); s++)
    block_slots_.insert(block_slots_.end(), loop.slots[s].count, s);
  follower_.emplace(std::move(loop), std::move(plan));
  waiting_.clear();
  strays_.clear();
  followed_ = false;
  laps_ = 0;
  if (!history_.has(begin)) return;
  const Loop& own = follower_->loop();
  for (uint32_t s = 0; s < own.slots.size(); s++)
    if (const Handle range = ranges_.of_life(own.slots[s].life); range != Ranges::kNobody)
      seat(s, range);
  // The laps since then, as far as they were the same.
  for (uint64_t event = begin; event < history_.now(); event++) {
    const auto place = static_cast<uint32_t>((event - begin) % length);
    if (history_.at(event).signature != history_.at(begin + place).signature) return;
    history_.mark(event, epoch_ << 32 | place);
    if (event < begin + length) continue;
    const Handle made = ranges_.of_life(event);
    if (own.made[place] != Loop::kNobody && made != Ranges::kNobody) seat(own.made[place], made);
    touched_.clear();
    for (const History::Touch& touch : history_.touches(event))
      touched_.push_back(ranges_.of_life(touch.life));
    seat_touched(place, touched_);
  }
}

// The job has come into the plan's lap: what is not where the plan has it changes places, as far as
// there is room for it beside what the plan itself moves.
void Course::catch_up() {
  waiting_.clear();
  strays_.clear();
  std::vector<std::pair<uint64_t, uint32_t>> absent;
  for (uint32_t block = 0; block < block_slots_.size(); block++) {
    const NewPiece* piece = piece_of(block);
    if (!piece || piece->present == follower_->present(block)) continue;
    if (piece->present)
      strays_.push_back(piece->id);
    else
      absent.emplace_back(ranges_.next_use(piece->id, history_.now()), block);
  }
  // What the lap does not use at all leaves first.
  for (Handle range = 0; range < ranges_.end(); range++) {
    if (!ranges_.live(range) || (range < slots_.size() && slots_[range] != Loop::kNobody)) continue;
    for (const NewPiece& piece : ranges_[range].pieces)
      if (piece.present && !piece.shared) strays_.push_back(piece.id);
  }
  std::ranges::sort(absent);
  for (const auto& [next, block] : absent) waiting_.push_back(block);
}

const NewPiece* Course::piece_of(uint32_t block) const {
  const uint32_t slot = block_slots_[block];
  const Handle holder = holders_[slot];
  if (holder == Ranges::kNobody || !ranges_.live(holder)) return nullptr;
  // What is shared with another range is no block.
  uint32_t index = block - follower_->loop().slots[slot].first;
  for (const NewPiece& piece : ranges_[holder].pieces)
    if (!piece.shared && index-- == 0) return &piece;
  return nullptr;
}

// What is there already has returned.
uint32_t Course::next_to_return() {
  while (true) {
    const uint32_t block = follower_->next_return();
    if (block == Follower::kNone) return block;
    const NewPiece* piece = piece_of(block);
    if (piece && !piece->present) return block;
    follower_->skip_return();
  }
}

bool Course::proposes() {
  return followed_ &&
         (follower_->leaving() || !waiting_.empty() || next_to_return() != Follower::kNone);
}

void Course::propose(const Space& space, std::vector<Proposal>* out) {
  uint64_t free = space.free, leaving = space.leaving;
  for (const uint32_t block : follower_->take_leaving()) {
    const NewPiece* piece = piece_of(block);
    if (!piece || !piece->present) continue;
    out->push_back({piece->id, true});
    leaving += piece->bytes;
  }
  // False: there is no room for it, and for none behind it either.
  const auto fetch = [&](const NewPiece& piece) {
    if (free < piece.bytes) {
      // Where nothing that the plan lets go will make room, something is where it should not be.
      if (leaving < piece.bytes) leave_strays(piece.bytes - leaving, out);
      return false;
    }
    free -= piece.bytes;
    out->push_back({piece.id, false});
    return true;
  };
  next_to_return();
  for (size_t ahead = 0;; ahead++) {
    const uint32_t block = follower_->next_return(ahead);
    if (block == Follower::kNone) break;
    const NewPiece* piece = piece_of(block);
    if (piece && !piece->present && !fetch(*piece)) return;
  }
  for (; !waiting_.empty(); waiting_.pop_front()) {
    const uint32_t block = waiting_.front();
    const NewPiece* piece = piece_of(block);
    if (piece && !piece->present && follower_->present(block) && !fetch(*piece)) return;
  }
}

void Course::leave_strays(uint64_t bytes, std::vector<Proposal>* out) {
  for (; bytes > 0 && !strays_.empty(); strays_.pop_back()) {
    const NewPiece* piece = ranges_.piece(strays_.back());
    if (!piece || !piece->present || piece->shared) continue;
    out->push_back({piece->id, true});
    bytes -= std::min(bytes, piece->bytes);
  }
}

}  // namespace spillway::policy
