// SPDX-License-Identifier: Apache-2.0
// A device's policy, for whichever thread: what it is told, and what it is asked. The policy is for
// one thread at a time; the mutex here is a leaf, held for no call of the driver.
//
// Only a policy that looks ahead is told anything, and only once memory is becoming short: a job
// that fits is not watched.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "policy/policy.h"
#include "runtime/range.h"

namespace spillway {

class Engine;
struct Device;
using Held = std::unique_lock<std::mutex>;

// A launch as the policy knows it; on its caller's stack.
class Sighting {
 public:
  // `kind`: the kernel, or what else tells it from other calls.
  explicit Sighting(uint64_t kind) : signature_(kind) {}
  void add(const Range& range);

  uint64_t signature() const { return signature_; }
  std::span<const policy::Touch> touches() const { return {touches_, count_}; }

 private:
  static constexpr size_t kMost = 1024, kBits = 1024, kWord = 64;
  uint64_t signature_;
  uint64_t maybe_[kBits / kWord] = {};  // handles that may be among the touches
  policy::Touch touches_[kMost];
  size_t count_ = 0;
};

class Foresight {
 public:
  // `memory`: bytes that the policy may remember things in.
  Foresight(std::unique_ptr<policy::Policy> policy, size_t memory)
      : policy_(std::move(policy)), ahead_(policy_->looks_ahead()) {
    policy_->set_memory(memory);
  }

  void rank(std::vector<policy::PieceView>& resident) noexcept;
  void forget(uint32_t piece) noexcept;

  bool watching() const { return watching_.load(std::memory_order_relaxed); }
  // So much is live by now: where that comes near to the budget, it is told of everything from here
  // on, what is live first. With the ledger held.
  void consider(Engine& engine, const Held& held, Device& device) noexcept;

  // With the ledger held; nothing while it is not watching.
  void came_alive(Range& range) noexcept;
  void end_life(Range& range) noexcept;
  void moved(const Piece& piece, bool present) noexcept;
  Piece* find(uint32_t id) const noexcept;
  void set_terms(uint64_t capacity) noexcept;

  // A launch that was submitted. True: it has moves to propose.
  bool launched(const Sighting& seen) noexcept;
  // Whether launches are to be timed just now, and what came of it.
  bool timing() const { return timing_.load(std::memory_order_relaxed); }
  void timed(uint64_t signature, uint64_t ns) noexcept;

  void propose(const policy::Space& space, std::vector<policy::Proposal>* out) noexcept;
  // Room is kept free by what it proposes.
  bool keeps_room() const noexcept;
  // Makes a plan when it is time for one: in a thread of its own, or, `here`, at once. Once an
  // iteration has been as planned a few times, finds what is to be said of it; not `here`, where
  // time is no measure.
  void think(bool here) noexcept;
  std::string verdict() const;  // empty: none yet

 private:
  void tell(Range& range) noexcept;
  // Runs it with the policy to itself. Where the host has no memory for what it remembers, it is
  // told nothing from then on.
  template <class Work>
  void guarded(Work&& work) noexcept;
  void count_lap() noexcept;
  std::unique_ptr<policy::Thought> next_thought(bool here, bool* judges) noexcept;

  mutable std::mutex mutex_;
  const std::unique_ptr<policy::Policy> policy_;
  const bool ahead_;
  std::atomic<bool> watching_{false}, timing_{false}, thinking_{false};
  uint64_t capacity_ = 0;  // as the policy was told
  uint64_t laps_ = 0, lap_began_ = 0;
  std::vector<double> lap_times_;  // ns, of iterations that were as planned
  bool judged_ = false;
  std::string verdict_;
  std::unordered_map<uint32_t, Piece*> pieces_;  // guarded by the ledger
};

}  // namespace spillway
