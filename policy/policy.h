// SPDX-License-Identifier: Apache-2.0
// A policy ranks; the engine acts. No CUDA, no lock, no clock in this folder: time is the use
// counter that the engine hands in, and equal inputs give equal answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace spillway::policy {

// One piece on the device that may leave. Pinned and busy-moving pieces are never shown.
struct PieceView {
  uint32_t id;  // the engine's name for it, stable while the piece lives
  uint64_t bytes;
  uint64_t last_use;  // value of the use counter at its last use
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Reorders `resident`: first to leave, first. Keeps every id. May be empty.
  virtual void rank(std::vector<PieceView>& resident) = 0;
  // The piece is gone (freed): forget it.
  virtual void forget(uint32_t /*id*/) {}
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
