// SPDX-License-Identifier: Apache-2.0
#include "policy/ranges.h"

#include <algorithm>

namespace spillway::policy {

Handle Ranges::add(uint64_t bytes, uint64_t life, std::span<const NewPiece> pieces) {
  Handle handle = end();
  if (idle_.empty()) {
    ranges_.emplace_back();
  } else {
    handle = idle_.back();
    idle_.pop_back();
  }
  KnownRange& range = ranges_[handle];
  range.live = true;
  range.bytes = bytes;
  range.life = range.last = life;
  range.pieces.assign(pieces.begin(), pieces.end());
  by_life_[life] = handle;
  std::vector<uint64_t>& shape = shapes_[bytes];
  shape.clear();
  for (uint32_t i = 0; i < pieces.size(); i++) {
    if (!pieces[i].shared) shape.push_back(pieces[i].bytes);
    owners_[pieces[i].id].push_back({handle, i});
  }
  return handle;
}

void Ranges::remove(Handle handle) {
  KnownRange& range = ranges_[handle];
  by_life_.erase(range.life);
  for (const NewPiece& piece : range.pieces) {
    const auto found = owners_.find(piece.id);
    std::erase_if(found->second, [&](const Owner& owner) { return owner.range == handle; });
    if (found->second.empty()) owners_.erase(found);
  }
  range = {};
  idle_.push_back(handle);
}

void Ranges::moved(uint32_t id, bool present) {
  const auto found = owners_.find(id);
  if (found == owners_.end()) return;
  for (const Owner& owner : found->second)
    ranges_[owner.range].pieces[owner.piece].present = present;
}

Handle Ranges::of_life(uint64_t life) const {
  const auto found = by_life_.find(life);
  return found == by_life_.end() ? kNobody : found->second;
}

const NewPiece* Ranges::piece(uint32_t id) const {
  const auto found = owners_.find(id);
  if (found == owners_.end()) return nullptr;
  const Owner& owner = found->second.front();
  return &ranges_[owner.range].pieces[owner.piece];
}

uint64_t Ranges::next_use(const KnownRange& range, uint64_t now) {
  const bool known = range.next != History::kNone && range.next >= now;
  return known ? range.next : now + (now - range.last);
}

uint64_t Ranges::next_use(uint32_t id, uint64_t now) const {
  const auto found = owners_.find(id);
  uint64_t soonest = History::kNone;
  if (found == owners_.end()) return soonest;
  for (const Owner& owner : found->second)
    soonest = std::min(soonest, next_use(ranges_[owner.range], now));
  return soonest;
}

std::span<const uint64_t> Ranges::shape(uint64_t bytes) const {
  const auto found = shapes_.find(bytes);
  if (found == shapes_.end()) return {};
  return found->second;
}

}  // namespace spillway::policy
