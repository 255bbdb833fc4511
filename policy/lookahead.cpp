// SPDX-License-Identifier: Apache-2.0
// Looks ahead. While the job repeats what it did before, the history says when each range is used
// next: what is used last leaves first, and what is used soon is fetched. When a whole iteration
// has repeated itself, it is planned, and the plan is followed for as long as the job does the
// same.
#include <algorithm>
#include <tuple>

#include "policy/builtin.h"
#include "policy/course.h"
#include "policy/online.h"
#include "policy/verdict.h"

namespace spillway::policy {
namespace {

constexpr size_t kHistoryBytes = 256 << 20;
// For kernels that have not been timed.
constexpr uint64_t kGuessedKernel = 3'000;  // ns
// So many launches in a row must use other memory than their twins before these are given up.
constexpr int kStrange = 4;

class Planning final : public Thought {
 public:
  Planning(Loop loop, const PlanTerms& terms) : loop(std::move(loop)), terms(terms) {}
  void run() override { plan = make_plan(loop.cycle, terms); }
  std::string about() const override {
    constexpr uint64_t kMiB = 1 << 20, kMicrosecond = 1'000;
    const std::string what =
        "an iteration of " + std::to_string(loop.cycle.kernels()) + " launches";
    if (!plan.feasible) return what + " is not planned: one launch alone fills the budget";
    if (plan.absences.empty()) return what + " is not planned: what it uses fits";
    return what + " is planned: in each, " + std::to_string(plan.in_bytes / kMiB) +
           " MiB come and " + std::to_string(plan.out_bytes / kMiB) + " MiB go, in " +
           std::to_string(plan.lap_ns / kMicrosecond) + " us by the model";
  }

  Loop loop;
  const PlanTerms terms;
  Plan plan;
};

class Judging final : public Thought {
 public:
  Judging(Cycle cycle, const Terms& terms, double lap_ns)
      : cycle_(std::move(cycle)), terms_(terms), lap_ns_(lap_ns) {}
  void run() override { verdict_ = verdict_of(cycle_, terms_.capacity, terms_.link, lap_ns_); }
  std::string about() const override { return text_of(verdict_, "it takes"); }

 private:
  const Cycle cycle_;
  const Terms terms_;
  const double lap_ns_;
  Verdict verdict_;
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
    const uint64_t event = history_.allocated(bytes, bytes);
    const Handle handle = ranges_.add(bytes, event, pieces);
    course_.allocated(event, handle);
    return handle;
  }

  void freed(Handle handle) override {
    if (!ranges_.live(handle)) return;
    history_.freed(ranges_[handle].life);
    course_.freed(handle);
    ranges_.remove(handle);
  }

  bool launched(uint64_t signature, std::span<const Touch> all) override {
    touches_.clear();
    used_.clear();
    for (const Touch& touch : all) {
      if (!ranges_.live(touch.range)) continue;
      const KnownRange& range = ranges_[touch.range];
      touches_.push_back(touch);
      used_.push_back({range.life, touch.mode, range.touch});
    }
    const uint64_t event = history_.launched(signature, used_);
    recognise(event);
    expect(event);
    if (unplanned() && timed_for_ != history_.distance()) {
      timed_for_ = history_.distance();  // for one lap
      timing_until_ = event + timed_for_;
    }
    course_.launched(event, touches_);
    if (course_.followed()) {
      online_.forget();
      return course_.proposes();
    }
    return online_.look_ahead();
  }

  void timed(uint64_t signature, uint64_t ns) override {
    constexpr size_t kMost = 1 << 18;
    if (times_.size() >= kMost) times_.clear();
    times_[signature] = ns;
  }
  bool timing() const override { return timing_until_ > history_.now(); }

  void moved(uint32_t id, bool present) override { ranges_.moved(id, present); }

  void rank(std::vector<PieceView>& resident) override {
    const uint64_t now = history_.now();
    keys_.clear();
    for (const PieceView& piece : resident)
      keys_.emplace_back(ranges_.next_use(piece.id, now), piece);
    std::ranges::sort(keys_, [](const Key& a, const Key& b) {
      return std::tuple(b.first, a.second.last_use, a.second.id) <
             std::tuple(a.first, b.second.last_use, b.second.id);
    });
    resident.clear();
    for (const Key& key : keys_) resident.push_back(key.second);
  }

  bool keeps_room() const override {
    return course_.followed() || history_.expected() != History::kNone;
  }

  void propose(const Space& space, std::vector<Proposal>* out) override {
    if (course_.followed())
      course_.propose(space, out);
    else
      online_.propose(space, terms_.capacity, out);
  }

  bool wants_to_think() const override {
    return unplanned() && timed_for_ == history_.distance() && !timing();
  }

  std::unique_ptr<Thought> think() override {
    const uint64_t distance = history_.distance();
    try_again_ = history_.now() + distance;
    auto loop = read_loop(history_, {.ns = [&](uint64_t signature) { return time_of(signature); },
                                     .pieces = [&](uint64_t bytes) { return ranges_.shape(bytes); },
                                     .bytes =
                                         [&](uint64_t life) {
                                           const Handle range = ranges_.of_life(life);
                                           return range == Ranges::kNobody ? uint64_t{0}
                                                                           : ranges_[range].bytes;
                                         }});
    if (!loop) return nullptr;
    planned_for_ = distance;
    return std::make_unique<Planning>(std::move(*loop),
                                      PlanTerms{terms_.capacity, terms_.link, terms_.move_ns});
  }

  uint64_t laps() const override { return course_.laps(); }
  std::unique_ptr<Thought> judge(double lap_ns) const override {
    if (!course_.cycle()) return nullptr;
    return std::make_unique<Judging>(*course_.cycle(), terms_, lap_ns);
  }

  void take_back(std::unique_ptr<Thought> thought) override {
    auto& planning = static_cast<Planning&>(*thought);
    if (planning.plan.absences.empty() || planning.terms.capacity != terms_.capacity) return;
    course_.adopt(std::move(planning.loop), std::move(planning.plan));
  }

 private:
  using Key = std::pair<uint64_t, PieceView>;

  // There is a loop that no plan has been made for.
  bool unplanned() const {
    if (!plans_ || !terms_.capacity || history_.now() < try_again_ || !history_.looped())
      return false;
    const uint64_t distance = history_.distance();
    return planned_for_ != distance &&
           !(planned_for_ && course_.followed() && distance < course_.length());
  }

  uint64_t time_of(uint64_t signature) const {
    const auto found = times_.find(signature);
    return found == times_.end() ? kGuessedKernel : found->second;
  }

  // Launches that look alike but use other memory each time are no repetition: that is where this
  // memory was used before.
  void recognise(uint64_t event) {
    const uint64_t twin = history_.twin();
    if (twin == History::kNone || touches_.empty()) return;
    const auto like = history_.touches(twin);
    const uint64_t distance = event - twin;
    uint64_t back = 0;
    bool strange = like.size() != touches_.size();
    for (size_t i = 0; i < touches_.size() && !strange; i++) {
      const KnownRange& range = ranges_[touches_[i].range];
      if (range.life == like[i].life) continue;
      if (range.life == like[i].life + distance && range.life > twin) continue;  // made in this lap
      if (range.touch == History::kNone) continue;  // its first use: it may be anybody
      strange = true;
      back = event - range.last;
    }
    strange_ = strange ? strange_ + 1 : 0;
    if (strange_ >= kStrange && back && history_.relock(back)) strange_ = 0;
  }

  // When what was used now is used next: as its twin was.
  void expect(uint64_t event) {
    const uint64_t first = history_.at(event).touches, twin = history_.twin();
    const auto like =
        twin == History::kNone ? std::span<const History::Touch>{} : history_.touches(twin);
    for (size_t i = 0; i < touches_.size(); i++) {
      KnownRange& range = ranges_[touches_[i].range];
      range.touch = first + i;
      range.last = event;
      range.next = i < like.size() && like[i].next != History::kNone ? event + (like[i].next - twin)
                                                                     : History::kNone;
    }
  }

  const bool plans_;
  Terms terms_;
  History history_;
  Ranges ranges_;
  Course course_{history_, ranges_};
  Online online_{history_, ranges_};
  std::unordered_map<uint64_t, uint64_t> times_;  // ns, by signature
  int strange_ = 0;
  uint64_t planned_for_ = 0;  // the distance
  uint64_t try_again_ = 0;    // from this event on
  uint64_t timed_for_ = 0, timing_until_ = 0;
  std::vector<Touch> touches_;
  std::vector<History::Used> used_;
  std::vector<Key> keys_;
};

}  // namespace

std::unique_ptr<Policy> make_online() {
  return std::make_unique<Lookahead>(false);
}

std::unique_ptr<Policy> make_lookahead() {
  return std::make_unique<Lookahead>(true);
}

}  // namespace spillway::policy
