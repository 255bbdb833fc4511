// SPDX-License-Identifier: Apache-2.0
#include "policy/loop.h"

#include <algorithm>
#include <unordered_map>

namespace spillway::policy {

namespace {

class Reader {
 public:
  Reader(const History& history, const LoopFacts& facts)
      : history_(history), facts_(facts), length_(history.distance()) {
    loop_.length = length_;
    loop_.begin = history.now() - length_;
  }

  std::optional<Loop> read() {
    if (!length_ || !history_.has(loop_.begin - length_) || !repeats()) return std::nullopt;
    for (uint64_t event = loop_.begin; event < loop_.begin + length_; event++) read_event(event);
    loop_.first_touch.push_back(static_cast<uint32_t>(loop_.touched.size()));
    if (loop_.cycle.ns.empty()) return std::nullopt;
    make_blocks();
    return std::move(loop_);
  }

 private:
  bool in_lap(uint64_t event) const {
    return event >= loop_.begin && event < loop_.begin + length_;
  }

  // Each launch used, one lap ago, what it uses now: the same, or what was made at the same place.
  bool repeats() const {
    uint64_t all = 0, other = 0;
    for (uint64_t event = loop_.begin; event < loop_.begin + length_; event++) {
      const auto now = history_.touches(event), before = history_.touches(event - length_);
      if (now.size() != before.size()) return false;
      for (size_t i = 0; i < now.size(); i++) {
        all++;
        if (now[i].life == before[i].life) continue;
        if (now[i].life != before[i].life + length_ || now[i].life + length_ <= event) other++;
      }
    }
    constexpr uint64_t kFew = 100;  // one in so many may be something else
    return other * kFew <= all;
  }

  // A life that ends in this lap and began in the one before is, in this lap, the one that was made
  // at the same place.
  uint64_t representative(uint64_t life) const {
    return life < loop_.begin && life + length_ >= loop_.begin && history_.has(life) &&
                   history_.at(life).bytes && in_lap(life + length_) &&
                   history_.at(life + length_).bytes == history_.at(life).bytes
               ? life + length_
               : life;
  }

  uint32_t slot_of(uint64_t life) {
    const uint64_t own = representative(life);
    const auto [found, fresh] = slots_.try_emplace(own, static_cast<uint32_t>(loop_.slots.size()));
    if (fresh) {
      const uint64_t bytes = history_.has(own) ? history_.at(own).bytes : facts_.bytes(own);
      loop_.slots.push_back({own, bytes, 0, 0});
      uses_.emplace_back();
    }
    return found->second;
  }

  void read_event(uint64_t event) {
    const History::Entry& entry = history_.at(event);
    const auto kernel = static_cast<uint32_t>(loop_.cycle.ns.size());
    loop_.kernel.push_back(kernel);
    loop_.first_touch.push_back(static_cast<uint32_t>(loop_.touched.size()));
    loop_.made.push_back(entry.bytes ? slot_of(event) : Loop::kNobody);
    if (entry.bytes) return;
    for (const History::Touch& touch : history_.touches(event)) {
      const uint32_t slot = slot_of(touch.life);
      loop_.touched.push_back(slot);
      // One that goes around the end of the lap is used by its earlier life first, and that comes
      // last in the order of its life.
      auto& uses = touch.life == loop_.slots[slot].life ? uses_[slot].own : uses_[slot].earlier;
      if (!uses.empty() && uses.back().kernel == kernel)
        uses.back().mode = both(uses.back().mode, touch.mode);
      else
        uses.push_back({kernel, touch.mode});
    }
    loop_.cycle.ns.push_back(facts_.ns(entry.signature));
  }

  static Mode both(Mode one, Mode other) { return one == other ? one : Mode::ReadWrite; }

  uint32_t kernel_at(uint64_t event) const {
    const uint64_t place = event - loop_.begin;
    return place < length_ ? loop_.kernel[place] : static_cast<uint32_t>(loop_.cycle.ns.size());
  }

  void make_blocks() {
    const auto n = static_cast<uint32_t>(loop_.cycle.ns.size());
    for (uint32_t s = 0; s < loop_.slots.size(); s++) {
      Loop::Slot& slot = loop_.slots[s];
      Block block;
      block.first = static_cast<uint32_t>(loop_.cycle.uses.size());
      if (in_lap(slot.life)) {
        const uint64_t ended = history_.at(slot.life).ended;
        const uint64_t before = slot.life - length_;
        const uint64_t before_ended = history_.has(before) ? history_.at(before).ended : ended;
        block.lasting = false;
        block.born = kernel_at(slot.life) % n;
        if (ended != History::kNone && ended < loop_.begin + length_)
          block.dies = kernel_at(ended);
        else if (before_ended != History::kNone && before_ended >= loop_.begin)
          block.dies = kernel_at(before_ended) + n;
        else
          block.lasting = true;  // made in each lap and not freed: it cannot go on for ever
        if (!block.lasting && block.dies <= block.born) block.dies = block.born + 1;
        if (!block.lasting) block.dies = std::min(block.dies, block.born + n);
      }
      auto& uses = uses_[s];
      loop_.cycle.uses.insert(loop_.cycle.uses.end(), uses.own.begin(), uses.own.end());
      loop_.cycle.uses.insert(loop_.cycle.uses.end(), uses.earlier.begin(), uses.earlier.end());
      block.count = static_cast<uint32_t>(loop_.cycle.uses.size()) - block.first;
      slot.first = static_cast<uint32_t>(loop_.cycle.blocks.size());
      for (const uint64_t bytes : facts_.pieces(slot.bytes)) {
        block.bytes = bytes;
        loop_.cycle.blocks.push_back(block);
      }
      slot.count = static_cast<uint32_t>(loop_.cycle.blocks.size()) - slot.first;
    }
  }

  struct Uses {
    std::vector<BlockUse> own, earlier;
  };

  const History& history_;
  const LoopFacts& facts_;
  const uint64_t length_;
  Loop loop_;
  std::unordered_map<uint64_t, uint32_t> slots_;  // by life
  std::vector<Uses> uses_;
};

}  // namespace

std::optional<Loop> read_loop(const History& history, const LoopFacts& facts) {
  return Reader(history, facts).read();
}

}  // namespace spillway::policy
