// SPDX-License-Identifier: Apache-2.0
#include "policy/replay.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "policy/link_clock.h"

namespace spillway::policy {

namespace {

// As the engine has it (runtime/room.cpp): kept free, for policies that do not see to it.
constexpr uint64_t kSpareShare = 50;
constexpr uint64_t kSparePieces = 3;
constexpr uint64_t kMostSpareShare = 10;
// Nor is more than this queued in a lane by proposals (runtime/mover_settle.cpp).
constexpr size_t kQueuedMoves = 4;

class Replay {
 public:
  Replay(const Workload& workload, Policy& policy, const Machine& machine)
      : work_(workload),
        policy_(policy),
        machine_(machine),
        link_(machine.link),
        first_piece_(workload.buffers.size() + 1, 0),
        handles_(workload.buffers.size(), 0),
        ends_(std::max<size_t>(machine.ahead, 1), 0),
        free_(machine.capacity) {
    for (size_t b = 0; b < workload.buffers.size(); b++) {
      uint64_t left = workload.buffers[b];
      do {
        Piece piece;
        piece.bytes = std::min(left, machine.piece_bytes);
        left -= piece.bytes;
        pieces_.push_back(piece);
      } while (left);
      first_piece_[b + 1] = static_cast<uint32_t>(pieces_.size());
    }
    policy.set_terms({machine.capacity, machine.link, machine.move_ns});
  }

  Replayed run() {
    bool in_lap = false;
    for (const Event& event : work_.events) {
      switch (event.kind) {
        case Event::Kind::Allocate:
          done_.done = done_.done && allocate(event.buffer);
          break;
        case Event::Kind::Free:
          release(event.buffer);
          break;
        case Event::Kind::Kernel:
          done_.done = done_.done && launch(event);
          break;
        case Event::Kind::Iteration:
          if (in_lap) end_lap();
          in_lap = true;
          lap_ = {};
          lap_begin_ = gpu_;
          break;
      }
      if (!done_.done) return done_;
    }
    if (in_lap) end_lap();
    done_.ns = gpu_;
    return done_;
  }

 private:
  enum class State : uint8_t { None, Device, Leaving, Host };
  struct Piece {
    uint64_t bytes = 0;
    State state = State::None;
    bool dirty = true;      // it was written since it last came
    uint64_t last_use = 0;  // launches
    double used = 0;        // until then the GPU uses it
    double arrived = 0;
    uint32_t place = 0;      // among residents_
    uint32_t departure = 0;  // the number of its last
  };
  struct Departure {
    double end;
    uint32_t piece, number;
    uint64_t bytes;
  };
  struct Cached {
    double idle;
    uint64_t bytes;
  };

  std::span<Piece> pieces_of(uint32_t buffer) {
    return {pieces_.data() + first_piece_[buffer], pieces_.data() + first_piece_[buffer + 1]};
  }
  uint32_t id(const Piece& piece) const { return static_cast<uint32_t>(&piece - pieces_.data()); }

  // --- residency ---

  void come(Piece& piece) {
    piece.state = State::Device;
    piece.place = static_cast<uint32_t>(residents_.size());
    residents_.push_back(id(piece));
    policy_.moved(id(piece), true);
  }
  void go(Piece& piece, State to) {
    residents_[piece.place] = residents_.back();
    pieces_[residents_.back()].place = piece.place;
    residents_.pop_back();
    piece.state = to;
    policy_.moved(id(piece), false);
  }

  void evict(Piece& piece, double at) {
    go(piece, State::Leaving);
    pressed_ = true;
    double end = std::max({at, piece.used, piece.arrived});
    if (piece.dirty) {
      end = link_.copy(LinkClock::Out, end, piece.bytes);
      lap_.out_bytes += piece.bytes;
      piece.dirty = false;
    }
    if (!leaving_.empty()) end = std::max(end, leaving_.back().end);
    leaving_.push_back({end + machine_.move_ns, id(piece), ++piece.departure, piece.bytes});
    leaving_bytes_ += piece.bytes;
  }

  void fetch(Piece& piece, double at) {
    free_ -= piece.bytes;
    mover_ = std::max(mover_, at) + machine_.move_ns;
    piece.arrived = link_.copy(LinkClock::In, mover_, piece.bytes);
    piece.dirty = false;
    lap_.in_bytes += piece.bytes;
    arriving_.push_back(piece.arrived);
    come(piece);
  }

  // Its copy out may go on: it never left.
  void rescue(Piece& piece) {
    piece.departure++;
    leaving_bytes_ -= piece.bytes;
    piece.dirty = true;
    come(piece);
  }

  void settle(double until) {
    while (!arriving_.empty() && arriving_.front() <= until) arriving_.pop_front();
    for (; !leaving_.empty() && leaving_.front().end <= until; leaving_.pop_front()) {
      const Departure& departure = leaving_.front();
      Piece& piece = pieces_[departure.piece];
      if (piece.departure != departure.number) continue;
      free_ += departure.bytes;
      leaving_bytes_ -= departure.bytes;
      if (piece.state == State::Leaving) piece.state = State::Host;
    }
  }

  // Room for so much, if need be from memory that was freed and is idle by now.
  bool room(uint64_t bytes, double at) {
    for (auto each = cached_.begin(); free_ < bytes && each != cached_.end();) {
      if (each->idle > at) {
        ++each;
        continue;
      }
      free_ += each->bytes;
      cached_bytes_ -= each->bytes;
      each = cached_.erase(each);
    }
    return free_ >= bytes;
  }

  // The job's thread waits for room. False: nothing can leave any more.
  bool make_room(uint64_t bytes, uint64_t wanted) {
    while (!room(bytes, host_)) {
      settle(host_);
      depart(host_);
      if (room(bytes, host_)) break;
      const uint64_t coming = free_ + leaving_bytes_ + cached_bytes_ + departing_bytes();
      const bool begun = wanted > coming && evict_ranked(wanted - coming, host_);
      if (leaving_.empty() && cached_.empty()) {
        if (!begun) return false;
        continue;
      }
      // Whichever makes room first.
      double next = leaving_.empty() ? cached_.front().idle : leaving_.front().end;
      for (const Cached& cached : cached_) next = std::min(next, cached.idle);
      host_ = std::max(host_, next);
      settle(host_);
    }
    return true;
  }

  bool evict_ranked(uint64_t bytes, double at) {
    uint64_t sum = 0;
    // A ranking is good for a while: what was used since is passed over.
    for (int fresh = 0; fresh < 2 && sum < bytes; fresh++) {
      for (; ranked_ < ranking_ends_ && sum < bytes; ranked_++) {
        Piece& piece = pieces_[views_[ranked_].id];
        if (piece.state != State::Device || piece.last_use != views_[ranked_].last_use) continue;
        evict(piece, at);
        sum += piece.bytes;
      }
      if (sum < bytes && !fresh) rank();
    }
    return sum > 0;
  }

  void rank() {
    constexpr size_t kGoodFor = 8;  // the first of so many parts of it
    views_.clear();
    for (const uint32_t each : residents_)
      if (pieces_[each].last_use != now_)
        views_.push_back({each, pieces_[each].bytes, pieces_[each].last_use});
    policy_.rank(views_);
    ranked_ = 0;
    ranking_ends_ =
        views_.size() > kGoodFor ? (views_.size() + kGoodFor - 1) / kGoodFor : views_.size();
  }

  // --- the job ---

  bool allocate(uint32_t buffer) {
    const uint64_t bytes = work_.buffers[buffer];
    now_++;
    const double came = host_;
    wait_until(host_);
    const auto same = std::ranges::find(cached_, bytes, &Cached::bytes);
    if (same != cached_.end()) {
      cached_bytes_ -= bytes;
      cached_.erase(same);
    } else {
      uint64_t wanted = bytes;
      for (const Piece& piece : pieces_of(buffer)) {
        if (!make_room(piece.bytes, wanted)) return false;
        free_ -= piece.bytes;
        wanted -= piece.bytes;
      }
    }
    waited_ += host_ - came;
    fresh_.clear();
    for (Piece& piece : pieces_of(buffer)) {
      fresh_.push_back({id(piece), piece.bytes, false, true});
      piece.last_use = now_;
    }
    handles_[buffer] = policy_.allocated(bytes, fresh_);
    for (Piece& piece : pieces_of(buffer)) come(piece);
    return true;
  }

  void release(uint32_t buffer) {
    policy_.freed(handles_[buffer]);
    Cached idle{0, 0};
    for (Piece& piece : pieces_of(buffer)) {
      policy_.forget(id(piece));
      if (piece.state == State::Leaving) {
        piece.departure++;
        leaving_bytes_ -= piece.bytes;
      } else if (piece.state == State::Device) {
        go(piece, State::None);
      }
      if (piece.state != State::Host) {
        idle.idle = std::max(idle.idle, piece.used);
        idle.bytes += piece.bytes;
      }
      piece.state = State::None;
    }
    if (!idle.bytes) return;
    cached_.push_back(idle);
    cached_bytes_ += idle.bytes;
  }

  bool launch(const Event& event) {
    now_++;
    launches_++;
    wait_until(std::max(host_ + machine_.launch_ns, ends_[launches_ % ends_.size()]));
    const double free_host = host_;
    uint64_t wanted = 0;
    for (const Use& use : work_.uses_of(event)) {
      for (Piece& piece : pieces_of(use.buffer)) {
        piece.last_use = now_;
        if (piece.state == State::Leaving) rescue(piece);
        if (piece.state == State::Host) wanted += piece.bytes;
      }
    }
    held_ = true;
    if (wanted && machine_.on_demand) wait_until(gpu_);
    double arrived = 0;
    for (const Use& use : work_.uses_of(event)) {
      for (Piece& piece : pieces_of(use.buffer)) {
        if (piece.state == State::Host) {
          if (!make_room(piece.bytes, wanted)) return false;
          wanted -= piece.bytes;
          while (arriving_.size() >= kQueuedMoves) {
            double next = arriving_.front();
            if (!leaving_.empty()) next = std::min(next, leaving_.front().end);
            host_ = std::max(host_, next);
            settle(host_);
            depart(host_);
          }
          fetch(piece, host_);
          host_ = std::max(host_, mover_);
        }
        arrived = std::max(arrived, piece.arrived);
      }
    }
    if (machine_.on_demand && arrived > host_) host_ = arrived;
    held_ = false;
    const double without = std::max(gpu_, free_host - waited_ + LinkClock::kLatency);
    waited_ = 0;
    const double mapped = std::max(without, host_ + LinkClock::kLatency);
    const double begin = std::max(mapped, arrived);
    if (begin > without) {
      lap_.room_ns += std::min(mapped, begin) - without;
      lap_.data_ns += begin - mapped;
    }
    gpu_ = ends_[launches_ % ends_.size()] = begin + static_cast<double>(event.ns);
    const uint64_t signature = tell(event);
    for (const Use& use : work_.uses_of(event)) {
      for (Piece& piece : pieces_of(use.buffer)) {
        piece.used = gpu_;
        piece.dirty = piece.dirty || writes(use.mode);
      }
    }
    policy_.timed(signature, event.ns);
    const bool asks = policy_.launched(signature, touches_);
    if (!policy_.wants_to_think()) {
    } else if (auto thought = policy_.think()) {
      thought->run();
      policy_.take_back(std::move(thought));
    }
    if (asks || (pressed_ && !policy_.keeps_room())) act(host_);
    return true;
  }

  uint64_t tell(const Event& event) {
    uint64_t signature = event.name + 1;
    touches_.clear();
    for (const Use& use : work_.uses_of(event)) {
      touches_.push_back({handles_[use.buffer], use.mode});
      signature = (signature ^ work_.buffers[use.buffer]) * 0x9e3779b97f4a7c15;
    }
    return signature;
  }

  // Time passes for the job's thread, and what ends meanwhile makes room for what is to come.
  void wait_until(double until) {
    while (true) {
      double end = until;
      if (!leaving_.empty()) end = std::min(end, leaving_.front().end);
      if (!arriving_.empty()) end = std::min(end, arriving_.front());
      if (end >= until) break;
      settle(end);
      if (policy_.looks_ahead()) act(end);
    }
    settle(until);
    host_ = std::max(host_, until);
  }

  uint64_t departing_bytes() const {
    uint64_t bytes = 0;
    for (const uint32_t each : departing_)
      if (pieces_[each].state == State::Device) bytes += pieces_[each].bytes;
    return bytes;
  }

  // What the policy lets go, as soon as the lane has place.
  void depart(double at) {
    for (; !departing_.empty() && leaving_.size() < kQueuedMoves; departing_.pop_front()) {
      Piece& piece = pieces_[departing_.front()];
      if (piece.state == State::Device && !(held_ && piece.last_use == now_)) evict(piece, at);
    }
  }

  void act(double at) {
    if (machine_.on_demand) return;
    proposals_.clear();
    policy_.propose({free_ + cached_bytes_, leaving_bytes_ + departing_bytes()}, &proposals_);
    for (const Proposal& proposal : proposals_)
      if (proposal.out) departing_.push_back(proposal.piece);
    depart(at);
    for (const Proposal& proposal : proposals_) {
      if (proposal.out) continue;
      Piece& piece = pieces_[proposal.piece];
      if (piece.state == State::Leaving) {
        rescue(piece);
      } else if (piece.state == State::Host) {
        if (arriving_.size() >= kQueuedMoves || !room(piece.bytes, at)) break;
        fetch(piece, at);
      }
    }
    if (!pressed_ || policy_.keeps_room()) return;
    const uint64_t spare =
        std::min(std::max(machine_.capacity / kSpareShare, kSparePieces * machine_.piece_bytes),
                 machine_.capacity / kMostSpareShare);
    const uint64_t there = free_ + leaving_bytes_ + cached_bytes_;
    if (there < spare) evict_ranked(spare - there, at);
  }

  void end_lap() {
    lap_.ns = gpu_ - lap_begin_;
    done_.laps.push_back(lap_);
  }

  const Workload& work_;
  Policy& policy_;
  const Machine machine_;
  LinkClock link_;
  std::vector<Piece> pieces_;
  std::vector<uint32_t> first_piece_;  // by buffer
  std::vector<Handle> handles_;        // by buffer
  std::vector<uint32_t> residents_;
  std::deque<Departure> leaving_;
  std::deque<double> arriving_;
  std::deque<uint32_t> departing_;
  std::deque<Cached> cached_;  // freed, oldest first
  std::vector<double> ends_;   // of the last launches
  uint64_t free_ = 0, leaving_bytes_ = 0, cached_bytes_ = 0;
  double host_ = 0, gpu_ = 0, mover_ = 0;
  double waited_ = 0;  // by the job's thread for new memory, since the last launch
  uint64_t now_ = 0, launches_ = 0;
  bool pressed_ = false;
  bool held_ = false;  // what the present launch uses stays until it has been submitted
  Replayed done_;
  Replayed::Lap lap_;
  double lap_begin_ = 0;
  std::vector<PieceView> views_;  // the last ranking
  size_t ranked_ = 0, ranking_ends_ = 0;
  std::vector<NewPiece> fresh_;
  std::vector<Touch> touches_;
  std::vector<Proposal> proposals_;
};

}  // namespace

Replayed replay(const Workload& workload, Policy& policy, const Machine& machine) {
  return Replay(workload, policy, machine).run();
}

}  // namespace spillway::policy
