// SPDX-License-Identifier: Apache-2.0
#include "policy/cycle.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace spillway::policy {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

// Places in Workload::events.
struct Stretch {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

// The life of each buffer, as places in Workload::events.
struct Lives {
  explicit Lives(const Workload& workload)
      : born(workload.buffers.size(), 0), died(workload.buffers.size(), workload.events.size()) {
    for (size_t i = 0; i < workload.events.size(); ++i) {
      const Event& event = workload.events[i];
      if (event.kind == Event::Kind::Allocate) born[event.buffer] = i;
      if (event.kind == Event::Kind::Free) died[event.buffer] = i;
    }
  }
  bool there_during(uint32_t buffer, const Stretch& before, const Stretch& now) const {
    return born[buffer] < before.begin && died[buffer] >= now.end;
  }

  std::vector<size_t> born, died;
};

// Whether the stretch `now` does what `before` did: the same events, on buffers that correspond one
// to one. Times may differ.
class Comparison {
 public:
  Comparison(const Workload& workload, const Lives& lives, Stretch before, Stretch now)
      : workload_(workload),
        lives_(lives),
        before_(before),
        now_(now),
        earlier_(workload.buffers.size(), kNone),
        later_(workload.buffers.size(), kNone) {}

  bool equal() {
    if (before_.size() != now_.size()) return false;
    for (size_t i = 0; i < now_.size(); ++i) {
      if (!same(workload_.events[before_.begin + i], workload_.events[now_.begin + i]))
        return false;
    }
    return true;
  }

 private:
  bool same(const Event& old, const Event& event) {
    if (old.kind != event.kind) return false;
    switch (event.kind) {
      case Event::Kind::Iteration:
        return true;
      case Event::Kind::Allocate:
      case Event::Kind::Free:
        return match(old.buffer, event.buffer);
      case Event::Kind::Kernel: {
        if (old.name != event.name) return false;
        return std::ranges::equal(workload_.uses_of(old), workload_.uses_of(event),
                                  [this](const Use& a, const Use& b) {
                                    return a.mode == b.mode && match(a.buffer, b.buffer);
                                  });
      }
    }
    return false;
  }

  bool match(uint32_t old, uint32_t buffer) {
    if (lives_.there_during(old, before_, now_) || lives_.there_during(buffer, before_, now_)) {
      return old == buffer;
    }
    if (later_[old] == kNone && earlier_[buffer] == kNone) {
      later_[old] = buffer;
      earlier_[buffer] = old;
      return workload_.buffers[old] == workload_.buffers[buffer];
    }
    return later_[old] == buffer;
  }

  const Workload& workload_;
  const Lives& lives_;
  Stretch before_, now_;
  std::vector<uint32_t> earlier_, later_;  // what corresponds to a buffer in the other stretch
};

class Builder {
 public:
  Builder(const Workload& workload, const Lives& lives, Stretch before, Stretch now)
      : workload_(workload),
        lives_(lives),
        before_(before),
        now_(now),
        block_(workload.buffers.size(), kNone) {}

  Cycle build() {
    for (size_t i = now_.begin; i < now_.end; ++i) {
      kernels_before_.push_back(static_cast<uint32_t>(cycle_.ns.size()));
      if (workload_.events[i].kind == Event::Kind::Kernel) {
        cycle_.ns.push_back(workload_.events[i].ns);
      }
    }
    uint32_t kernel = 0;
    for (size_t i = now_.begin; i < now_.end; ++i) {
      const Event& event = workload_.events[i];
      if (event.kind != Event::Kind::Kernel) continue;
      for (const Use& use : workload_.uses_of(event)) {
        if (!add(use, kernel)) return {};
      }
      ++kernel;
    }
    write_uses();
    keep_what_is_needed_later();
    return std::move(cycle_);
  }

 private:
  struct Seen {
    uint32_t block = 0;
    uint32_t order = 0;  // in the life of its block
    BlockUse use;
  };

  // False: the buffer is used when its successor of this lap already is, which no lap can say.
  bool add(const Use& use, uint32_t kernel) {
    const auto kernels = static_cast<uint32_t>(cycle_.kernels());
    uint32_t buffer = use.buffer;
    const bool of_this_lap = lives_.born[buffer] >= now_.begin;
    if (!of_this_lap && !lives_.there_during(buffer, before_, now_)) {
      if (lives_.born[buffer] < before_.begin) return false;  // it lives for longer than a lap
      buffer = workload_.events[now_.begin + (lives_.born[buffer] - before_.begin)].buffer;
    }
    if (block_[buffer] == kNone) {
      block_[buffer] = static_cast<uint32_t>(cycle_.blocks.size());
      cycle_.blocks.push_back(new_block(buffer));
    }
    const Block& block = cycle_.blocks[block_[buffer]];
    uint32_t order = kernel;
    if (!block.lasting) {
      if (!of_this_lap) order += kernels;
      if (made_before(buffer) == kernels) order -= kernels;
      if (order >= block.dies) return false;
    }
    seen_.push_back({block_[buffer], order, {kernel, use.mode}});
    return true;
  }

  // The kernel before which this lap allocates the buffer: their number, if it is after the last.
  uint32_t made_before(uint32_t buffer) const {
    return kernels_before_[lives_.born[buffer] - now_.begin];
  }

  Block new_block(uint32_t buffer) const {
    Block block{.bytes = workload_.buffers[buffer]};
    if (lives_.there_during(buffer, before_, now_)) return block;
    const auto kernels = static_cast<uint32_t>(cycle_.kernels());
    const size_t place = lives_.born[buffer] - now_.begin;
    block.lasting = false;
    block.born = made_before(buffer);
    // Freed in this lap; or in the next, where this lap freed its predecessor.
    const uint32_t predecessor = workload_.events[before_.begin + place].buffer;
    if (lives_.died[buffer] < now_.end) {
      block.dies = kernels_before_[lives_.died[buffer] - now_.begin];
    } else if (lives_.died[predecessor] < now_.end) {
      block.dies = kernels + kernels_before_[lives_.died[predecessor] - now_.begin];
    } else {
      block.dies = 2 * kernels;
    }
    if (block.born == kernels) {  // after the last kernel is before the first
      block.born = 0;
      block.dies -= kernels;
    }
    block.dies = std::min(block.dies, block.born + kernels);  // nobody uses it in the rest
    return block;
  }

  void write_uses() {
    std::ranges::stable_sort(seen_, {},
                             [](const Seen& seen) { return std::tuple(seen.block, seen.order); });
    const Seen* last = nullptr;
    for (const Seen& seen : seen_) {
      if (last != nullptr && last->block == seen.block && last->order == seen.order) {
        if (cycle_.uses.back().mode != seen.use.mode) cycle_.uses.back().mode = Mode::ReadWrite;
        continue;
      }
      Block& block = cycle_.blocks[seen.block];
      if (block.count++ == 0) block.first = static_cast<uint32_t>(cycle_.uses.size());
      cycle_.uses.push_back(seen.use);
      last = &seen;
    }
  }

  void keep_what_is_needed_later() {
    std::vector<bool> decided(workload_.buffers.size(), false);
    for (size_t i = now_.end; i < workload_.events.size(); ++i) {
      const Event& event = workload_.events[i];
      if (event.kind != Event::Kind::Kernel) continue;
      for (const Use& use : workload_.uses_of(event)) {
        if (decided[use.buffer]) continue;
        decided[use.buffer] = true;
        if (!reads(use.mode) || block_[use.buffer] != kNone) continue;
        if (!lives_.there_during(use.buffer, before_, now_)) continue;
        cycle_.blocks.push_back({.bytes = workload_.buffers[use.buffer],
                                 .first = static_cast<uint32_t>(cycle_.uses.size())});
      }
    }
  }

  const Workload& workload_;
  const Lives& lives_;
  Stretch before_, now_;
  std::vector<uint32_t> block_;           // of each buffer: its place in Cycle::blocks
  std::vector<uint32_t> kernels_before_;  // each event of the lap
  std::vector<Seen> seen_;
  Cycle cycle_;
};

}  // namespace

Cycle cycle_of(const Workload& workload, size_t lap) {
  std::vector<size_t> marks;
  for (size_t i = 0; i < workload.events.size(); ++i) {
    if (workload.events[i].kind == Event::Kind::Iteration) marks.push_back(i);
  }
  if (lap == 0 || lap + 1 >= marks.size()) return {};
  const Stretch before{marks[lap - 1], marks[lap]}, now{marks[lap], marks[lap + 1]};
  const Lives lives(workload);
  if (!Comparison(workload, lives, before, now).equal()) return {};
  return Builder(workload, lives, before, now).build();
}

}  // namespace spillway::policy
