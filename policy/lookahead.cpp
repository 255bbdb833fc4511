// SPDX-License-Identifier: Apache-2.0
// Looks ahead. While the job repeats what it did before, the history says when each range is used
// next: what is used last leaves first, and what is used soon is fetched. When a whole iteration
// has repeated itself, it is planned, and the plan is followed for as long as the job does the
// same.
#include <algorithm>
#include <deque>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "policy/builtin.h"
#include "policy/follower.h"

namespace spillway::policy {
namespace {

constexpr size_t kHistoryBytes = 64 << 20;
// Fetched ahead of their use without a plan: of so many events.
constexpr uint64_t kAhead = 64;
constexpr uint64_t kWatermarkShare = 50;
// So many launches in a row must use other memory than their twins before these are given up.
constexpr int kStrange = 4;
// A guess for kernels that have not been timed: what they use, at a good part of HBM's rate.
constexpr double kGuessedRate = 2000;  // bytes a nanosecond
constexpr uint64_t kLeastKernel = 3'000;

class Planning final : public Thought {
 public:
  Planning(Loop loop, const PlanTerms& terms) : loop(std::move(loop)), terms(terms) {}
  void run() override { plan = make_plan(loop.cycle, terms); }
  std::string about() const override {
    constexpr uint64_t kMiB = 1 << 20, kMicrosecond = 1'000;
    if (!plan.feasible) return "an iteration that cannot be planned: one launch fills the budget";
    return "an iteration of " + std::to_string(loop.cycle.kernels()) +
           " launches is planned: " + std::to_string(plan.in_bytes / kMiB) + " MiB come and " +
           std::to_string(plan.out_bytes / kMiB) + " MiB go in each, " +
           std::to_string(plan.lap_ns / kMicrosecond) + " us";
  }

  Loop loop;
  const PlanTerms terms;
  Plan plan;
};

class Lookahead final : public Policy {
 public:
  explicit Lookahead(bool plans) : plans_(plans), history_(kHistoryBytes) {}

  bool looks_ahead() const override { return true; }
  void set_memory(size_t bytes) override { history_.set_memory(bytes); }
  void set_terms(const Terms& terms) override {
    if (terms.capacity != terms_.capacity) planned_for_ = 0;
    terms_ = terms;
  }

  Handle allocated(uint64_t bytes, std::span<const NewPiece> pieces) override {
    Handle handle = static_cast<Handle>(ranges_.size());
    if (idle_.empty()) {
      ranges_.emplace_back();
    } else {
      handle = idle_.back();
      idle_.pop_back();
    }
    Range& range = ranges_[handle];
    range = {};
    range.live = true;
    range.bytes = bytes;
    live_bytes_ += bytes;
    std::vector<uint64_t> sizes;
    for (const NewPiece& piece : pieces) {
      range.pieces.push_back(piece);
      if (!piece.shared) sizes.push_back(piece.bytes);
      owners_[piece.id].push_back({handle, static_cast<uint32_t>(range.pieces.size() - 1)});
    }
    shapes_[bytes] = std::move(sizes);
    range.life = history_.allocated(bytes, bytes);
    range.last = range.life;
    by_life_[range.life] = handle;
    const uint32_t at = follow(range.life);
    if (at != kNowhere && follower_->loop().made[at] != Loop::kNobody)
      seat(follower_->loop().made[at], handle);
    return handle;
  }

  void freed(Handle handle) override {
    Range& range = ranges_[handle];
    if (!range.live) return;
    history_.freed(range.life);
    by_life_.erase(range.life);
    if (range.slot != Loop::kNobody && holders_[range.slot] == handle)
      holders_[range.slot] = Loop::kNobody;
    for (const NewPiece& piece : range.pieces) {
      auto& owners = owners_[piece.id];
      std::erase_if(owners, [&](const Owner& owner) { return owner.range == handle; });
      if (owners.empty()) owners_.erase(piece.id);
    }
    live_bytes_ -= range.bytes;
    range = {};
    idle_.push_back(handle);
  }

  bool launched(uint64_t signature, std::span<const Touch> touches) override {
    used_.clear();
    touches_.clear();
    for (const Touch& touch : touches) {
      if (touch.range >= ranges_.size() || !ranges_[touch.range].live) continue;
      touches_.push_back(touch);
      used_.push_back({ranges_[touch.range].life, touch.mode, ranges_[touch.range].touch});
    }
    touches = touches_;
    const uint64_t event = history_.launched(signature, used_);
    recognise(event, touches);
    const uint64_t first = history_.at(event).touches, twin = history_.twin();
    const auto like =
        twin == History::kNone ? std::span<const History::Touch>{} : history_.touches(twin);
    for (size_t i = 0; i < touches.size(); i++) {
      Range& range = ranges_[touches[i].range];
      range.touch = first + i;
      range.last = event;
      range.next = i < like.size() && like[i].next != History::kNone ? event + (like[i].next - twin)
                                                                     : History::kNone;
    }
    if (unplanned() && timed_for_ != history_.distance()) {
      timed_for_ = history_.distance();  // for one lap
      timing_until_ = event + timed_for_;
    }
    const uint32_t at = follow(event);
    if (at == kNowhere) return look_ahead();
    const Loop& loop = follower_->loop();
    const uint32_t begin = loop.first_touch[at], count = loop.first_touch[at + 1] - begin;
    for (uint32_t i = 0; i < count && i < touches.size(); i++)
      seat(loop.touched[begin + i], touches[i].range);
    if (follower_->come_to(loop.kernel[at])) catch_up();
    return follower_->leaving() || !waiting_.empty() || next_to_return() != Follower::kNone;
  }

  void timed(uint64_t signature, uint64_t ns) override { times_[signature] = ns; }
  bool timing() const override { return timing_until_ > history_.now(); }

  void moved(uint32_t id, bool present) override {
    const auto found = owners_.find(id);
    if (found == owners_.end()) return;
    for (const Owner& owner : found->second)
      ranges_[owner.range].pieces[owner.piece].present = present;
  }

  void forget(uint32_t) override {}

  void rank(std::vector<PieceView>& resident) override {
    const uint64_t now = history_.now();
    keys_.clear();
    for (const PieceView& piece : resident)
      keys_.emplace_back(next_use(piece.id, now), piece.last_use, piece.id, keys_.size());
    std::ranges::sort(keys_, [](const Key& a, const Key& b) {
      return std::tuple(std::get<0>(b), std::get<1>(a), std::get<2>(a)) <
             std::tuple(std::get<0>(a), std::get<1>(b), std::get<2>(b));
    });
    std::vector<PieceView> ranked;
    ranked.reserve(resident.size());
    for (const Key& key : keys_) ranked.push_back(resident[std::get<3>(key)]);
    resident.swap(ranked);
  }

  bool keeps_room() const override { return following_ || history_.expected() != History::kNone; }

  void propose(const Space& space, std::vector<Proposal>* out) override {
    if (following_)
      propose_planned(space, out);
    else
      propose_next(space, out);
  }

  bool wants_to_think() const override {
    return unplanned() && timed_for_ == history_.distance() && !timing();
  }

  std::unique_ptr<Thought> think() override {
    const uint64_t distance = history_.distance();
    try_again_ = history_.now() + distance;
    auto loop =
        read_loop(history_, {.ns = [&](uint64_t signature, auto) { return time_of(signature); },
                             .pieces = [&](uint64_t bytes) -> std::span<const uint64_t> {
                               const auto found = shapes_.find(bytes);
                               if (found == shapes_.end()) return {};
                               return found->second;
                             },
                             .bytes =
                                 [&](uint64_t life) {
                                   const auto found = by_life_.find(life);
                                   return found == by_life_.end() ? uint64_t{0}
                                                                  : ranges_[found->second].bytes;
                                 }});
    if (!loop) return nullptr;
    planned_for_ = distance;
    return std::make_unique<Planning>(std::move(*loop),
                                      PlanTerms{terms_.capacity, terms_.link, terms_.move_ns});
  }

  void take_back(std::unique_ptr<Thought> thought) override {
    auto& planning = static_cast<Planning&>(*thought);
    if (planning.plan.absences.empty() || planning.terms.capacity != terms_.capacity) return;
    adopt(std::move(planning.loop), std::move(planning.plan));
  }

 private:
  // There is a loop that no plan has been made for.
  bool unplanned() const {
    if (!plans_ || !terms_.capacity || history_.now() < try_again_ || !history_.looped())
      return false;
    const uint64_t distance = history_.distance();
    return planned_for_ != distance &&
           !(planned_for_ && following_ && distance < follower_->loop().length);
  }

  static constexpr uint32_t kNowhere = ~0u;
  struct Range {
    bool live = false;
    uint64_t bytes = 0;
    uint64_t life = 0;
    uint64_t touch = History::kNone;  // the last
    uint64_t last = 0;                // the event of it
    uint64_t next = History::kNone;   // the event that is expected to use it next
    uint32_t slot = Loop::kNobody;
    std::vector<NewPiece> pieces;
  };
  struct Owner {
    Handle range;
    uint32_t piece;
  };
  using Key = std::tuple<uint64_t, uint64_t, uint32_t, size_t>;

  uint64_t time_of(uint64_t signature) const {
    const auto found = times_.find(signature);
    return found == times_.end() ? kLeastKernel : found->second;
  }

  // Launches that look alike but use other memory each time are no repetition: that is where this
  // memory was used before.
  void recognise(uint64_t event, std::span<const Touch> touches) {
    const uint64_t twin = history_.twin();
    if (twin == History::kNone || touches.empty()) return;
    const auto like = history_.touches(twin);
    uint64_t back = 0;
    bool strange = like.size() != touches.size();
    for (size_t i = 0; i < touches.size() && !strange; i++) {
      const Range& range = ranges_[touches[i].range];
      const uint64_t distance = event - twin;
      if (range.life == like[i].life) continue;
      if (range.life == like[i].life + distance && range.life > twin) continue;  // made in this lap
      if (range.touch == History::kNone) continue;  // its first use: it may be anybody
      strange = true;
      back = event - range.last;
    }
    strange_ = strange ? strange_ + 1 : 0;
    if (strange_ >= kStrange && back && history_.relock(back)) strange_ = 0;
  }

  // The event at which a piece is used next; where that is not known, as far ahead as its last use
  // lies back.
  uint64_t next_use(uint32_t id, uint64_t now) const {
    const auto found = owners_.find(id);
    uint64_t soonest = History::kNone;
    if (found == owners_.end()) return soonest;
    for (const Owner& owner : found->second) {
      const Range& range = ranges_[owner.range];
      const bool known = range.next != History::kNone && range.next >= now;
      soonest = std::min(soonest, known ? range.next : now + (now - range.last));
    }
    return soonest;
  }

  // --- the plan
  // -----------------------------------------------------------------------------------

  void seat(uint32_t slot, Handle handle) {
    const uint32_t before = holders_[slot];
    if (before == handle) return;
    if (before != Loop::kNobody && ranges_[before].slot == slot)
      ranges_[before].slot = Loop::kNobody;
    Range& range = ranges_[handle];
    if (range.slot != Loop::kNobody && holders_[range.slot] == handle)
      holders_[range.slot] = Loop::kNobody;
    range.slot = slot;
    holders_[slot] = handle;
  }

  // Where in the plan's lap an event is, by its twin; kNowhere: not in it.
  uint32_t follow(uint64_t event) {
    following_ = false;
    const uint64_t twin = history_.twin();
    if (!follower_ || twin == History::kNone) return kNowhere;
    const uint64_t mark = history_.at(twin).mark;
    if (mark >> 32 != epoch_) return kNowhere;
    history_.mark(event, mark);
    following_ = true;
    return static_cast<uint32_t>(mark);
  }

  void adopt(Loop loop, Plan plan) {
    epoch_++;
    const uint64_t begin = loop.begin, length = loop.length;
    for (Range& range : ranges_) range.slot = Loop::kNobody;
    holders_.assign(loop.slots.size(), Loop::kNobody);
    block_slots_.clear();
    for (uint32_t s = 0; s < loop.slots.size(); s++)
      block_slots_.insert(block_slots_.end(), loop.slots[s].count, s);
    follower_.emplace(std::move(loop), std::move(plan));
    waiting_.clear();
    wanted_.clear();
    following_ = false;
    if (!history_.has(begin)) return;
    const Loop& own = follower_->loop();
    for (uint32_t s = 0; s < own.slots.size(); s++) {
      const auto found = by_life_.find(own.slots[s].life);
      if (found != by_life_.end()) seat(s, found->second);
    }
    // The laps since then, as far as they were the same.
    for (uint64_t event = begin; event < history_.now(); event++) {
      const auto place = static_cast<uint32_t>((event - begin) % length);
      if (history_.at(event).signature != history_.at(begin + place).signature) return;
      history_.mark(event, epoch_ << 32 | place);
      if (event < begin + length) continue;
      if (own.made[place] != Loop::kNobody) {
        const auto found = by_life_.find(event);
        if (found != by_life_.end()) seat(own.made[place], found->second);
      }
      const auto touches = history_.touches(event);
      for (size_t i = 0; i < touches.size(); i++) {
        const auto found = by_life_.find(touches[i].life);
        if (found != by_life_.end() && own.first_touch[place] + i < own.first_touch[place + 1])
          seat(own.touched[own.first_touch[place] + i], found->second);
      }
    }
  }

  // The job has come into the plan's lap: what is not where the plan has it changes places.
  void catch_up() {
    waiting_.clear();
    std::vector<std::pair<uint64_t, uint32_t>> absent;
    for (uint32_t block = 0; block < block_slots_.size(); block++) {
      const NewPiece* piece = piece_of(block);
      if (!piece) continue;
      const bool wanted = follower_->present(block);
      if (piece->present == wanted) continue;
      if (!wanted)
        strays_.push_back(piece->id);
      else
        absent.emplace_back(next_use(piece->id, history_.now()), block);
    }
    // What the lap does not use at all.
    for (const Range& range : ranges_)
      if (range.live && range.slot == Loop::kNobody)
        for (const NewPiece& piece : range.pieces)
          if (piece.present && !piece.shared) strays_.push_back(piece.id);
    std::ranges::sort(absent);
    for (const auto& [next, block] : absent) waiting_.push_back(block);
  }

  const NewPiece* piece_of(uint32_t block) const {
    const uint32_t slot = block_slots_[block];
    const uint32_t holder = holders_[slot];
    if (holder == Loop::kNobody) return nullptr;
    // Seams are not blocks.
    uint32_t index = block - follower_->loop().slots[slot].first;
    for (const NewPiece& piece : ranges_[holder].pieces) {
      if (piece.shared) continue;
      if (index-- == 0) return &piece;
    }
    return nullptr;
  }

  // What is there already has returned.
  uint32_t next_to_return() {
    while (true) {
      const uint32_t block = follower_->next_return();
      if (block == Follower::kNone) return block;
      const NewPiece* piece = piece_of(block);
      if (piece && !piece->present) return block;
      follower_->skip_return();
    }
  }

  void propose_planned(const Space& space, std::vector<Proposal>* out) {
    uint64_t free = space.free, leaving = space.leaving;
    for (const uint32_t block : follower_->take_leaving()) {
      const NewPiece* piece = piece_of(block);
      if (!piece || !piece->present) continue;
      out->push_back({piece->id, true});
      leaving += piece->bytes;
    }
    const auto fetch = [&](const NewPiece& piece) {
      if (free < piece.bytes) return false;
      free -= piece.bytes;
      out->push_back({piece.id, false});
      return true;
    };
    bool full = false;
    next_to_return();
    for (size_t ahead = 0; !full; ahead++) {
      const uint32_t block = follower_->next_return(ahead);
      if (block == Follower::kNone) break;
      const NewPiece* piece = piece_of(block);
      if (!piece || piece->present) continue;
      full = !fetch(*piece);
      // Nothing that the plan let go will make room: something is where it should not be.
      if (full && leaving < piece->bytes) leave_strays(piece->bytes - leaving, out);
    }
    while (!full && !waiting_.empty()) {
      const uint32_t block = waiting_.front();
      const NewPiece* piece = piece_of(block);
      if (piece && !piece->present && follower_->present(block)) full = !fetch(*piece);
      if (!full)
        waiting_.pop_front();
      else if (leaving < piece->bytes)
        leave_strays(piece->bytes - leaving, out);
    }
  }

  void leave_strays(uint64_t bytes, std::vector<Proposal>* out) {
    for (; bytes > 0 && !strays_.empty(); strays_.pop_back()) {
      const auto found = owners_.find(strays_.back());
      if (found == owners_.end()) continue;
      const Owner owner = found->second.front();
      const NewPiece& piece = ranges_[owner.range].pieces[owner.piece];
      if (!piece.present) continue;
      out->push_back({piece.id, true});
      bytes -= std::min(bytes, piece.bytes);
    }
  }

  // --- without a plan
  // -----------------------------------------------------------------------------

  // What is expected to be used soon. True: some of it is not there.
  bool look_ahead() {
    const uint64_t expected = history_.expected();
    if (expected == History::kNone) {
      wanted_.clear();
      seen_ = 0;
      return false;
    }
    const uint64_t distance = history_.distance();
    if (seen_ < expected || seen_ > expected + kAhead || distance != seen_distance_) {
      wanted_.clear();
      seen_ = expected;
      seen_distance_ = distance;
    }
    for (; seen_ < std::min(expected + kAhead, history_.now()); seen_++) {
      for (const History::Touch& touch : history_.touches(seen_)) {
        auto found = by_life_.find(touch.life);
        if (found == by_life_.end()) found = by_life_.find(touch.life + distance);
        if (found != by_life_.end()) wanted_.push_back({found->second, seen_ + distance});
      }
    }
    while (!wanted_.empty() &&
           (wanted_.front().event < history_.now() || there(wanted_.front().range)))
      wanted_.pop_front();
    return !wanted_.empty();
  }

  bool there(Handle handle) const {
    return std::ranges::all_of(ranges_[handle].pieces,
                               [](const NewPiece& piece) { return piece.present; });
  }

  void propose_next(const Space& space, std::vector<Proposal>* out) {
    const uint64_t watermark = terms_.capacity / kWatermarkShare;
    uint64_t free = space.free;
    uint64_t missing =
        space.free + space.leaving < watermark ? watermark - space.free - space.leaving : 0;
    uint64_t soonest = history_.now();
    for (const Wanted& wanted : wanted_) {
      if (!ranges_[wanted.range].live) continue;
      bool full = false;
      for (const NewPiece& piece : ranges_[wanted.range].pieces) {
        if (piece.present) continue;
        if (free < piece.bytes + watermark) {
          full = true;
          missing = std::max(missing, piece.bytes + watermark -
                                          std::min(piece.bytes + watermark, free + space.leaving));
          break;
        }
        free -= piece.bytes;
        out->push_back({piece.id, false});
      }
      soonest = wanted.event;
      if (full) break;
    }
    if (missing && history_.expected() != History::kNone) make_room(missing, soonest, out);
  }

  // What is used later than `soonest`, the last first.
  void make_room(uint64_t bytes, uint64_t soonest, std::vector<Proposal>* out) {
    const uint64_t now = history_.now();
    std::vector<std::pair<uint64_t, Handle>> order;
    for (Handle handle = 0; handle < ranges_.size(); handle++) {
      const Range& range = ranges_[handle];
      if (!range.live) continue;
      const bool known = range.next != History::kNone && range.next >= now;
      const uint64_t next = known ? range.next : now + (now - range.last);
      if (next > soonest + kAhead) order.emplace_back(next, handle);
    }
    std::ranges::sort(order, std::greater{});
    for (const auto& [next, handle] : order) {
      for (const NewPiece& piece : ranges_[handle].pieces) {
        if (!piece.present || piece.shared) continue;
        out->push_back({piece.id, true});
        if (bytes <= piece.bytes) return;
        bytes -= piece.bytes;
      }
    }
  }

  struct Wanted {
    Handle range;
    uint64_t event;
  };

  const bool plans_;
  Terms terms_;
  History history_;
  std::vector<Range> ranges_;
  std::vector<Handle> idle_;
  uint64_t live_bytes_ = 0;
  int strange_ = 0;
  std::unordered_map<uint64_t, Handle> by_life_;
  std::unordered_map<uint32_t, std::vector<Owner>> owners_;     // by piece
  std::unordered_map<uint64_t, std::vector<uint64_t>> shapes_;  // bytes of the pieces, by all bytes
  std::unordered_map<uint64_t, uint64_t> times_;                // ns, by signature
  std::vector<Touch> touches_;
  std::vector<History::Used> used_;
  std::vector<Key> keys_;

  std::optional<Follower> follower_;
  uint64_t epoch_ = 0;  // of the plan: marks of others do not count
  bool following_ = false;
  uint64_t planned_for_ = 0;  // the distance
  uint64_t try_again_ = 0;
  uint64_t timed_for_ = 0, timing_until_ = 0;
  std::vector<Handle> holders_;        // by slot
  std::vector<uint32_t> block_slots_;  // by block
  std::deque<uint32_t> waiting_;       // blocks that should be there since the plan was joined
  std::vector<uint32_t> strays_;       // pieces that should not

  std::deque<Wanted> wanted_;
  uint64_t seen_ = 0, seen_distance_ = 0;
};

}  // namespace

std::unique_ptr<Policy> make_online() {
  return std::make_unique<Lookahead>(false);
}

std::unique_ptr<Policy> make_lookahead() {
  return std::make_unique<Lookahead>(true);
}

}  // namespace spillway::policy
