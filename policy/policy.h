// SPDX-License-Identifier: Apache-2.0
// A policy ranks and proposes; the engine acts. No CUDA, no lock, no clock in this folder: time is
// the use counter that the engine hands in, and equal inputs give equal answers.
//
// All functions of one object are called by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/link.h"
#include "policy/workload.h"

namespace spillway::policy {

// One piece on the device that may leave. Pinned and busy-moving pieces are never shown.
struct PieceView {
  uint32_t id;  // the engine's name for it, stable while the piece lives
  uint64_t bytes;
  uint64_t last_use;  // value of the use counter at its last use
};

// What a policy is told and asked beyond the ranking is for those that look ahead; the others leave
// it out.

struct NewPiece {
  uint32_t id = 0;
  uint64_t bytes = 0;
  bool shared = false;   // another range has a part of it
  bool present = false;  // it is on the device
};
// A range as a policy knows it: what allocated() has answered, until it is freed.
using Handle = uint32_t;
struct Touch {  // without initialisers: many are made at once, in a launch
  Handle range;
  Mode mode;
};

struct Terms {
  uint64_t capacity = 0;  // what pieces on the device may come to, in bytes
  Link link;
  double move_ns = 75'000;  // of the engine's thread, for each piece that goes or comes
};

struct Space {
  uint64_t free = 0;     // bytes on the device that nothing is in
  uint64_t leaving = 0;  // that will be free when the copies under way are over
};

struct Proposal {
  uint32_t piece = 0;
  bool out = false;
};

// Thinking that takes long: run() may be called by another thread, without the policy; then the
// policy takes it back.
class Thought {
 public:
  virtual ~Thought() = default;
  virtual void run() = 0;
  // What came of it, in a line for the log.
  virtual std::string about() const = 0;
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Reorders `resident`: first to leave, first. Keeps every id. May be empty.
  virtual void rank(std::vector<PieceView>& resident) = 0;
  // The piece is gone (freed): forget it.
  virtual void forget(uint32_t /*id*/) {}

  // --- what the job does, in its order ---
  // True: it wants to be told and asked all that follows.
  virtual bool looks_ahead() const { return false; }
  // Before anything else: what it may remember, in bytes.
  virtual void set_memory(size_t) {}
  virtual void set_terms(const Terms&) {}
  virtual Handle allocated(uint64_t /*bytes*/, std::span<const NewPiece>) { return 0; }
  virtual void freed(Handle) {}
  // A launch, by what tells it from others: its kernel, and whatever else is the same each time.
  // A handle of no range is left out. True: propose() has something to say.
  virtual bool launched(uint64_t /*signature*/, std::span<const Touch>) { return false; }
  // How long a launch of this signature has run; and whether launches are to be timed just now.
  virtual void timed(uint64_t /*signature*/, uint64_t /*ns*/) {}
  virtual bool timing() const { return false; }
  // --- what the engine does ---
  // A piece is on the device, or on its way to it; or no longer, from the moment it begins to
  // leave.
  virtual void moved(uint32_t /*id*/, bool /*present*/) {}
  // Moves that may begin now, in their order; a fetch for which there is no room yet ends them.
  virtual void propose(const Space&, std::vector<Proposal>*) {}
  // Room is kept free by the policy's own proposals; otherwise the engine keeps some.
  virtual bool keeps_room() const { return false; }
  virtual bool wants_to_think() const { return false; }
  // Null: it turned out that there is nothing to think about.
  virtual std::unique_ptr<Thought> think() { return nullptr; }
  virtual void take_back(std::unique_ptr<Thought>) {}
  // Iterations that were as planned, since the plan was taken up; and what is to be said of a job
  // whose iterations take so long (verdict.h). Not taken back.
  virtual uint64_t laps() const { return 0; }
  virtual std::unique_ptr<Thought> judge(double /*lap_ns*/) const { return nullptr; }
};

struct PolicyEntry {
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<Policy> (*make)();
};

// The one list: SPILLWAY_POLICY's values, `spillway config` and the contract tests come from it.
std::span<const PolicyEntry> policies();
// Null when there is none of that name.
const PolicyEntry* find_policy(std::string_view name);

}  // namespace spillway::policy
