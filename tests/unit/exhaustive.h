// SPDX-License-Identifier: Apache-2.0
// The best that any schedule does with a tiny cycle, by trying them all: what bounds are held
// against. Time goes in steps; blocks are divisible into units, of which the link moves whole
// numbers in a step. Such a schedule is also one of divisible data and time, so its lap is never
// shorter than the shortest of those.
//
// Every situation is a node and every way on is an edge; the steady state that takes the least for
// a lap is the cycle of the least ratio.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <queue>
#include <vector>

#include "policy/cycle.h"

namespace spillway::policy {

struct UnitLink {
  uint32_t in = 1, out = 1, both = 2;  // units in a step
};

// Times and sizes of the cycle are in steps and units.
class Exhaustive {
 public:
  Exhaustive(const Cycle& cycle, uint32_t capacity, UnitLink link)
      : cycle_(cycle), capacity_(capacity), link_(link), users_(cycle.kernels()) {
    for (uint32_t block = 0; block < cycle.blocks.size(); ++block) find_users(block);
    explore();
  }

  double steps_per_lap() const { return least(&Edge::steps); }
  double in_per_lap() const { return least(&Edge::in); }
  double out_per_lap() const { return least(&Edge::out); }
  double moved_per_lap() const { return least(&Edge::moved); }

 private:
  // Where the units of a block are. All 0: it holds nothing that anybody needs.
  struct Place {
    uint32_t device_only = 0, both = 0, host_only = 0;
    uint32_t on_device() const { return device_only + both; }
    auto operator<=>(const Place&) const = default;
  };
  struct Situation {
    uint32_t kernel = 0, left = 0;  // the kernel that runs for so many more steps, or is next: 0
    std::vector<Place> places;
    auto operator<=>(const Situation&) const = default;
  };
  struct Edge {
    uint32_t from = 0, to = 0;
    uint32_t steps = 0, in = 0, out = 0, moved = 0, laps = 0;
  };
  struct User {
    uint32_t block = 0;
    Mode mode = Mode::Read;
    bool needs = false;   // what the block holds before
    bool leaves = false;  // what is needed after
  };

  void find_users(uint32_t id) {
    const Block& block = cycle_.blocks[id];
    const auto uses = cycle_.uses_of(block);
    std::vector<bool> needs;
    bool written = block.lasting;
    for (const BlockUse& use : uses) {
      needs.push_back(written && reads(use.mode));
      written = written || writes(use.mode);
    }
    for (size_t i = 0; i < uses.size(); ++i) {
      const bool last = i + 1 == uses.size();
      const bool leaves = last ? block.lasting && needs.front() : needs[i + 1];
      users_[uses[i].kernel].push_back({id, uses[i].mode, needs[i], leaves});
    }
  }

  void explore() {
    Situation start;  // all that is needed is on the host
    start.places.resize(cycle_.blocks.size());
    std::vector<bool> found(cycle_.blocks.size(), false);
    for (const auto& users : users_) {
      for (const User& user : users) {
        if (found[user.block]) continue;
        found[user.block] = true;
        if (!user.needs) continue;
        start.places[user.block].host_only = static_cast<uint32_t>(cycle_.blocks[user.block].bytes);
      }
    }
    node(start);
    while (!unseen_.empty()) {
      const Situation now = unseen_.front();
      unseen_.pop();
      go_on(now);
    }
  }

  uint32_t node(const Situation& situation) {
    const auto [found, is_new] =
        nodes_.try_emplace(situation, static_cast<uint32_t>(nodes_.size()));
    if (is_new) unseen_.push(situation);
    return found->second;
  }

  void go_on(const Situation& now) {
    const uint32_t from = node(now);
    for (uint32_t block = 0; block < now.places.size(); ++block) {
      if (now.places[block].both == 0 || used(now, block)) continue;
      Situation next = now;  // a unit leaves that the host has
      --next.places[block].both;
      ++next.places[block].host_only;
      edges_.push_back({.from = from, .to = node(next)});
    }
    if (now.left == 0) start_kernel(now, from);
    copy(now, from, now, 0, {});
  }

  void start_kernel(const Situation& now, uint32_t from) {
    Situation next = now;
    next.left = static_cast<uint32_t>(cycle_.ns[now.kernel]);
    for (const User& user : users_[now.kernel]) {
      Place& place = next.places[user.block];
      const auto size = static_cast<uint32_t>(cycle_.blocks[user.block].bytes);
      if (user.needs && place.on_device() < size) return;
      if (!user.needs || writes(user.mode)) place = {size, 0, 0};
    }
    if (on_device(next) > capacity_) return;
    edges_.push_back({.from = from, .to = node(next), .laps = now.kernel == 0 ? 1u : 0u});
  }

  // All ways to copy units of this block and those after it, in the step that begins with `now`.
  void copy(const Situation& now, uint32_t from, Situation next, uint32_t block, Edge edge) {
    if (block == now.places.size()) {
      if (on_device(now) + edge.in > capacity_) return;
      edge.from = from;
      edge.steps = 1;
      edge.moved = edge.in + edge.out;
      if (now.left > 0 && --next.left == 0) end_kernel(next);
      edge.to = node(next);
      edges_.push_back(edge);
      return;
    }
    const Place place = now.places[block];
    const bool written = now.left > 0 && used(now, block, true);
    for (uint32_t in = 0; in <= place.host_only; ++in) {
      for (uint32_t out = 0; out <= (written ? 0 : place.device_only); ++out) {
        Edge more = edge;
        more.in += in;
        more.out += out;
        if (more.in > link_.in || more.out > link_.out || more.in + more.out > link_.both) break;
        next.places[block] = {place.device_only - out, place.both + in + out, place.host_only - in};
        copy(now, from, next, block + 1, more);
      }
    }
  }

  void end_kernel(Situation& situation) const {
    for (const User& user : users_[situation.kernel]) {
      if (!user.leaves) situation.places[user.block] = {};
    }
    situation.kernel = (situation.kernel + 1) % static_cast<uint32_t>(cycle_.kernels());
  }

  bool used(const Situation& now, uint32_t block, bool for_writing = false) const {
    return now.left > 0 && std::ranges::any_of(users_[now.kernel], [&](const User& user) {
             return user.block == block && (!for_writing || writes(user.mode) || !user.needs);
           });
  }
  static uint32_t on_device(const Situation& situation) {
    uint32_t units = 0;
    for (const Place& place : situation.places) units += place.on_device();
    return units;
  }

  // From any ratio that is too high: a cycle that is below it gives a lower one, until none is.
  double least(uint32_t Edge::*cost) const {
    double ratio = 1e6;
    while (lower(cost, ratio)) continue;
    return ratio;
  }

  bool lower(uint32_t Edge::*cost, double& ratio) const {
    constexpr double kRounding = 1e-9;
    std::vector<double> length(nodes_.size(), 0);
    std::vector<const Edge*> last(nodes_.size(), nullptr);
    for (bool changed = true; changed;) {
      changed = false;
      for (const Edge& edge : edges_) {
        const double longer = length[edge.from] + edge.*cost - ratio * edge.laps;
        if (longer >= length[edge.to] - kRounding) continue;
        length[edge.to] = longer;
        last[edge.to] = &edge;
        changed = true;
      }
      if (changed && found_cycle(cost, last, ratio)) return true;
    }
    return false;
  }

  bool found_cycle(uint32_t Edge::*cost, const std::vector<const Edge*>& last,
                   double& ratio) const {
    std::vector<uint32_t> seen(nodes_.size(), 0);
    for (uint32_t start = 0; start < nodes_.size(); ++start) {
      uint32_t at = start;
      while (seen[at] == 0 && last[at] != nullptr) {
        seen[at] = start + 1;
        at = last[at]->from;
      }
      if (seen[at] != start + 1 || last[at] == nullptr) continue;
      double sum = 0, laps = 0;
      const uint32_t begin = at;
      do {
        sum += last[at]->*cost;
        laps += last[at]->laps;
        at = last[at]->from;
      } while (at != begin);
      ratio = sum / laps;
      return true;
    }
    return false;
  }

  const Cycle& cycle_;
  uint32_t capacity_;
  UnitLink link_;
  std::vector<std::vector<User>> users_;  // of blocks, by kernel
  std::map<Situation, uint32_t> nodes_;
  std::queue<Situation> unseen_;
  std::vector<Edge> edges_;
};

}  // namespace spillway::policy
