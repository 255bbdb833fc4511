// SPDX-License-Identifier: Apache-2.0
// Second chance. The pieces stand in a ring; a hand goes round. A piece that was used since the
// hand last passed it is passed over once more; the first that was not leaves.
//
// The engine asks for a full ranking and then evicts as many from its front as it needs, without
// saying how many. So the hand moves at the *next* call: it has gone as far as the leading pieces
// of the last ranking that are no longer there. A piece that is merely not shown (pinned or in use
// by the launch that needs the room) was used lately and so does not stand at the front.
#include <algorithm>
#include <list>
#include <tuple>
#include <unordered_map>

#include "policy/builtin.h"

namespace spillway::policy {
namespace {

class Clock final : public Policy {
 public:
  void rank(std::vector<PieceView>& resident) override {
    ++round_;
    for (const PieceView& piece : resident) {
      const auto found = entries_.find(piece.id);
      if (found != entries_.end()) found->second.shown = round_;
    }
    move_hand();
    enter_new(resident);
    for (const PieceView& piece : resident) entries_.at(piece.id).now = piece;
    order(resident);
  }

  void forget(uint32_t id) override {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    ring_.erase(found->second.place);
    entries_.erase(found);
  }

 private:
  struct Entry {
    std::list<uint32_t>::iterator place;
    PieceView now{};        // as last shown
    uint64_t seen_use = 0;  // last_use when the hand last passed
    bool passed = false;    // the hand has passed at least once
    uint64_t shown = 0;     // the round it was last shown in
    uint64_t ranked = 0;    // the round it was last ranked in
    bool used() const { return !passed || now.last_use > seen_use; }
    void pass() {
      passed = true;
      seen_use = now.last_use;
    }
  };

  // ring_.front() is what the hand points at.
  void move_hand() {
    for (const uint32_t id : ranking_) {
      const auto found = entries_.find(id);
      // Freed, or freed and its id given to a new piece: the hand need not go there.
      if (found == entries_.end() || found->second.ranked + 1 != round_) continue;
      if (found->second.shown == round_) return;
      if (found->second.used()) {  // all were: the hand went round once before it took this one
        for (const uint32_t passed : ring_) entries_.at(passed).pass();
      }
      while (ring_.front() != id) {
        entries_.at(ring_.front()).pass();
        ring_.splice(ring_.end(), ring_, ring_.begin());
      }
      forget(id);
    }
  }

  // New pieces stand just behind the hand: it comes to them last.
  void enter_new(const std::vector<PieceView>& resident) {
    std::vector<PieceView> fresh;
    for (const PieceView& piece : resident) {
      if (!entries_.contains(piece.id)) fresh.push_back(piece);
    }
    std::ranges::sort(fresh, {},
                      [](const PieceView& piece) { return std::tuple(piece.last_use, piece.id); });
    for (const PieceView& piece : fresh) {
      ring_.push_back(piece.id);
      Entry entry;
      entry.place = std::prev(ring_.end());
      entry.shown = round_;
      entries_.emplace(piece.id, entry);
    }
  }

  void order(std::vector<PieceView>& resident) {
    resident.clear();
    ranking_.clear();
    for (const bool used : {false, true}) {
      for (const uint32_t id : ring_) {
        Entry& entry = entries_.at(id);
        if (entry.shown != round_ || entry.used() != used) continue;
        entry.ranked = round_;
        resident.push_back(entry.now);
        ranking_.push_back(id);
      }
    }
  }

  std::list<uint32_t> ring_;
  std::unordered_map<uint32_t, Entry> entries_;
  std::vector<uint32_t> ranking_;  // what the last call answered
  uint64_t round_ = 0;
};

}  // namespace

std::unique_ptr<Policy> make_clock() {
  return std::make_unique<Clock>();
}

}  // namespace spillway::policy
