// SPDX-License-Identifier: Apache-2.0
#include "runtime/foresight.h"

#include <algorithm>

#include "runtime/engine.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/thread.h"
#include "runtime/trace/recorder.h"

namespace spillway {

namespace {

// Watched from three quarters of the budget on: early enough for the history to have most of the
// first iteration when something has to leave.
constexpr uint64_t kNear = 4;
// The budget changes a little with every allocation that the driver serves; plans do not.
constexpr uint64_t kNoticed = 100;
// Iterations that must have been as planned before something is said of them.
constexpr size_t kJudgedLaps = 3;

bool present(const Piece& piece) {
  switch (piece.residency) {
    case Residency::Device:
    case Residency::Fetching:
    case Residency::Arriving:
      return true;
    default:
      return false;
  }
}

}  // namespace

template <class Work>
void Foresight::guarded(Work&& work) noexcept {
  std::lock_guard held(mutex_);
  try {
    work();
  } catch (...) {
    watching_.store(false);
    log_line(LogLevel::Warn,
             "no host memory to remember the program's calls in: looks no longer ahead");
  }
}

void Sighting::add(const Range& range) {
  const uint32_t handle = range.foreseen.load(std::memory_order_relaxed);
  if (!handle || count_ == kMost) return;
  uint64_t& word = maybe_[handle % kBits / kWord];
  const uint64_t bit = uint64_t{1} << handle % kWord;
  if (word & bit)
    for (size_t i = 0; i < count_; i++)
      if (touches_[i].range == handle - 1) return;
  word |= bit;
  touches_[count_++] = {handle - 1, policy::Mode::ReadWrite};
  signature_ = (signature_ ^ range.bytes) * 0x9e3779b97f4a7c15;
}

void Foresight::rank(std::vector<policy::PieceView>& resident) noexcept {
  std::lock_guard held(mutex_);
  policy_->rank(resident);
}

void Foresight::forget(uint32_t piece) noexcept {
  std::lock_guard held(mutex_);
  policy_->forget(piece);
}

bool Foresight::keeps_room() const noexcept {
  if (!watching()) return false;
  std::lock_guard held(mutex_);
  return policy_->keeps_room();
}

void Foresight::consider(Engine& engine, const Held&, Device& device) noexcept {
  if (!ahead_ || watching()) return;
  const uint64_t budget = device.budget();
  if (!device.pressed && device.live_bytes.load() < budget - budget / kNear) return;
  set_terms(budget);
  watching_.store(true);
  for (Range* range : engine.ranges)
    if (range->life == Life::Live && range->device == device.ordinal) tell(*range);
  fast_path.watched.store(true, std::memory_order_relaxed);
}

void Foresight::set_terms(uint64_t capacity) noexcept {
  const uint64_t apart = capacity > capacity_ ? capacity - capacity_ : capacity_ - capacity;
  if (capacity_ && apart <= capacity_ / kNoticed) return;
  capacity_ = capacity;
  // PCIe 5.0; the order of moves hangs little on it.
  policy::Terms terms;
  terms.capacity = capacity;
  terms.link = policy::links().front();
  std::lock_guard held(mutex_);
  policy_->set_terms(terms);
}

void Foresight::tell(Range& range) noexcept {
  std::vector<policy::NewPiece> pieces;
  for (Range* part : parts_of(range)) {
    if (!part) continue;
    for (Piece& piece : part->pieces) {
      pieces.push_back({piece.id, piece.bytes, part != &range, present(piece)});
      pieces_[piece.id] = &piece;
    }
  }
  guarded([&] {
    range.foreseen.store(policy_->allocated(range.bytes, pieces) + 1, std::memory_order_relaxed);
  });
}

void Foresight::came_alive(Range& range) noexcept {
  if (watching() && !range.foreseen.load(std::memory_order_relaxed)) tell(range);
}

void Foresight::end_life(Range& range) noexcept {
  const uint32_t handle = range.foreseen.exchange(0, std::memory_order_relaxed);
  if (!handle) return;
  std::lock_guard held(mutex_);
  policy_->freed(handle - 1);
}

void Foresight::moved(const Piece& piece, bool present) noexcept {
  if (!watching()) return;
  std::lock_guard held(mutex_);
  policy_->moved(piece.id, present);
}

Piece* Foresight::find(uint32_t id) const noexcept {
  const auto found = pieces_.find(id);
  // The object may be another's by now.
  return found != pieces_.end() && found->second->id == id ? found->second : nullptr;
}

bool Foresight::launched(const Sighting& seen) noexcept {
  if (!watching()) return false;
  bool asks = false;
  guarded([&] {
    asks = policy_->launched(seen.signature(), seen.touches());
    count_lap();
    timing_.store(policy_->timing(), std::memory_order_relaxed);
    fast_path.timed.store(policy_->timing(), std::memory_order_relaxed);
    asks = asks || policy_->wants_to_think() || (!judged_ && lap_times_.size() >= kJudgedLaps);
  });
  return asks;
}

void Foresight::timed(uint64_t signature, uint64_t ns) noexcept {
  guarded([&] { policy_->timed(signature, ns); });
}

void Foresight::propose(const policy::Space& space, std::vector<policy::Proposal>* out) noexcept {
  guarded([&] { policy_->propose(space, out); });
}

void Foresight::count_lap() noexcept {
  const uint64_t laps = policy_->laps();
  if (laps == laps_) [[likely]]
    return;
  const uint64_t now = trace::now();
  if (laps == laps_ + 1 && laps > 1)
    lap_times_.push_back(static_cast<double>(now - lap_began_));
  else
    lap_times_.clear();
  if (laps < laps_) judged_ = false;  // another plan
  laps_ = laps;
  lap_began_ = now;
}

std::unique_ptr<policy::Thought> Foresight::next_thought(bool here, bool* judges) noexcept {
  std::lock_guard held(mutex_);
  if (policy_->wants_to_think()) return policy_->think();
  if (here || judged_ || lap_times_.size() < kJudgedLaps) return nullptr;
  judged_ = *judges = true;
  std::ranges::sort(lap_times_);
  return policy_->judge(lap_times_[lap_times_.size() / 2]);
}

void Foresight::think(bool here) noexcept {
  if (!watching() || thinking_.exchange(true)) return;
  bool judges = false;
  std::unique_ptr<policy::Thought> thought = next_thought(here, &judges);
  const auto finish = [this, judges](std::unique_ptr<policy::Thought> mine) {
    try {
      if (mine) {
        mine->run();
        const std::string about = mine->about();
        log(LogLevel::Info, "{}", about);
        std::lock_guard held(mutex_);
        if (judges)
          verdict_ = about;
        else
          policy_->take_back(std::move(mine));
      }
    } catch (...) {
      log_line(LogLevel::Info, "no plan: no host memory to make one in");
    }
    thinking_.store(false);
  };
  if (here || !thought) return finish(std::move(thought));
  policy::Thought* const raw = thought.release();
  if (start_thread("spillway-plan",
                   [raw, finish] { finish(std::unique_ptr<policy::Thought>(raw)); }))
    return;
  delete raw;
  thinking_.store(false);
}

std::string Foresight::verdict() const {
  std::lock_guard held(mutex_);
  return verdict_;
}

}  // namespace spillway
