// SPDX-License-Identifier: Apache-2.0
#include "runtime/hidden.h"

#include <algorithm>

#include "runtime/engine.h"
#include "runtime/tell.h"

namespace spillway {

namespace {

constexpr uint64_t kWord = sizeof(CUdeviceptr);

constexpr uint32_t bit(PinReason reason) {
  return 1u << static_cast<int>(reason);
}

}  // namespace

void Holds::add(const Held&, Range& range, PinReason reason, uint64_t count) {
  if (range.life == Life::Seam) return;  // as still as the ranges that share it
  Counts& counts = counts_[&range];
  if (counts.life != range.buffer_id) counts = {.life = range.buffer_id, .by_reason = {}};
  uint64_t& known = counts.by_reason[static_cast<size_t>(reason)];
  if (known == 0 && reason != PinReason::Examined) tell(trace::Held{{range.buffer_id, reason}});
  known += count;
  range.still |= bit(reason);
}

void Holds::drop(Engine& engine, const Held&, Range& range, uint64_t life, PinReason reason,
                 uint64_t count, bool used) {
  const auto found = counts_.find(&range);
  if (found == counts_.end() || found->second.life != life || range.buffer_id != life) return;
  uint64_t& left = found->second.by_reason[static_cast<size_t>(reason)];
  left -= std::min(left, count);
  if (left) return;
  if (reason != PinReason::Examined) tell(trace::Released{{range.buffer_id, reason}});
  if (used) engine.completion.mark_all_streams(range);
  range.still &= ~bit(reason);
  if (!range.still) counts_.erase(found);
  engine.changed.notify_all();
}

void Holds::died(const Held&, Range& range) {
  counts_.erase(&range);
}

uint64_t Holds::bytes(const Held&, PinReason reason, int device) const {
  uint64_t sum = 0;
  for (const auto& [range, counts] : counts_)
    if (range->device == device && counts.by_reason[static_cast<size_t>(reason)])
      sum += range->extent;
  return sum;
}

void Hidden::put(Engine& engine, const Held& held, const std::vector<Word>& words) {
  for (const Word& word : words) {
    wipe(engine, held, word.holder, kWord);
    words_[word.holder] = word;
    words_[word.holder].since = ++puts_;
  }
  update_any();
}

void Hidden::wipe(Engine& engine, const Held& held, CUdeviceptr begin, uint64_t bytes) {
  if (bytes < kWord) return;
  note({Watch::Event::Kind::Wiped, begin, bytes, 0});
  auto each = words_.lower_bound(begin);
  while (each != words_.end() && each->first <= begin + bytes - kWord) {
    const Word& word = each->second;
    holds_.drop(engine, held, *word.range, word.life, PinReason::Hidden);
    each = words_.erase(each);
  }
  update_any();
}

void Hidden::copied(const Held&, CUdeviceptr begin, uint64_t bytes, CUdeviceptr to,
                    std::vector<Word>& out) const {
  if (bytes < kWord) return;
  for (auto each = words_.lower_bound(begin);
       each != words_.end() && each->first <= begin + bytes - kWord; ++each)
    out.push_back({.holder = to + (each->first - begin), .target = each->second.target});
}

bool Hidden::knows(const Held&, const Word& word) const {
  const auto found = words_.find(word.holder);
  return found != words_.end() && found->second.target == word.target &&
         found->second.life == word.life;
}

void Hidden::watch(const Held&, Watch& watch) {
  watch.since = puts_;
  watches_.push_back(&watch);
  update_any();
}

void Hidden::unwatch(const Held&, Watch& watch) {
  std::erase(watches_, &watch);
  update_any();
}

void Hidden::moved(const Held&, CUdeviceptr begin, uint64_t bytes, CUdeviceptr to) {
  note({Watch::Event::Kind::Copied, begin, bytes, to});
}

void Hidden::replay(const Watch& watch, std::vector<Word>& words) {
  const auto inside = [](const Watch::Event& event, const Word& word) {
    return word.holder >= event.begin && word.holder + kWord <= event.begin + event.bytes;
  };
  for (const Watch::Event& event : watch.events) {
    if (event.kind == Watch::Event::Kind::Wiped) {  // what was put there is known by itself
      std::erase_if(words, [&](const Word& word) { return inside(event, word); });
      continue;
    }
    const size_t before = words.size();
    for (size_t i = 0; i < before; i++) {
      if (!inside(event, words[i])) continue;
      Word copy = words[i];
      copy.holder = event.to + (copy.holder - event.begin);
      words.push_back(copy);
    }
  }
}

void Hidden::not_there(Engine& engine, const Held& held, CUdeviceptr begin, uint64_t bytes,
                       const std::vector<Word>& found, const Watch& watch) {
  auto each = words_.lower_bound(begin);
  while (each != words_.end() && each->first + kWord <= begin + bytes) {
    const Word& word = each->second;
    const auto same = [&](const Word& other) {
      return other.holder == word.holder && other.target == word.target;
    };
    // What was put later may have come later, and what the host puts may be on its way.
    if (!word.stored || word.since > watch.since || std::ranges::any_of(found, same)) {
      ++each;
      continue;
    }
    holds_.drop(engine, held, *word.range, word.life, PinReason::Hidden);
    each = words_.erase(each);
  }
  update_any();
}

void Hidden::put_object(const Held& held, Kind kind, uint64_t object, Range& range,
                        PinReason reason) {
  if (range.life == Life::Seam) return;
  // Saying it twice changes nothing; a handle retained twice is released twice.
  if (kind == Kind::Synchronous && objects_.count({kind, object})) return;
  holds_.add(held, range, reason);
  objects_.insert({{kind, object}, {&range, range.buffer_id, reason}});
}

void Hidden::wipe_object(Engine& engine, const Held& held, Kind kind, uint64_t object) {
  const auto found = objects_.find({kind, object});
  if (found == objects_.end()) return;
  const Object& gone = found->second;
  holds_.drop(engine, held, *gone.range, gone.life, gone.reason);
  objects_.erase(found);
}

void Hidden::keep_object(const Held& held, Kind kind, uint64_t object) {
  const auto found = objects_.find({kind, object});
  if (found == objects_.end()) return;
  const Object& kept = found->second;
  if (kept.range->buffer_id == kept.life) holds_.add(held, *kept.range, kept.reason);
}

void Hidden::variable(const Held&, const void* module, CUcontext context, CUdeviceptr address,
                      uint64_t bytes) {
  variables_[module][address] = {bytes, context};
}

void Hidden::unloaded(Engine& engine, const Held& held, const void* module) {
  const auto found = variables_.find(module);
  if (found == variables_.end()) return;
  for (const auto& [address, variable] : found->second) wipe(engine, held, address, variable.bytes);
  variables_.erase(found);
}

void forget_hidden(Engine& engine, const Held& held, Range& range) noexcept {
  engine.holds.died(held, range);
  if (engine.hidden.any()) engine.hidden.wipe(engine, held, range.base, range.span);
}

}  // namespace spillway
