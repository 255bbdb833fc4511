// SPDX-License-Identifier: Apache-2.0
// How a warp falls into splits at a divergent branch and becomes whole again where the ways meet
// (the immediate post-dominator). Meeting again is only for speed: lanes that must meet say so with
// a member mask, so lanes that wait at a meeting may be let go when the others spin
// (release_early).
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/sim/ptx/warp.h"

namespace sim::ptx {
namespace {

void enter(Warp& w, int index) {
  const Split& s = w.splits[index];
  w.current = index;
  w.mask = w.base_mask = s.mask;
  w.frame = s.frame;
  w.local_base = s.local_base;
  w.code = s.code;
}

void remove_split(Warp& w, int index) {
  w.splits[index] = w.splits.back();
  w.splits.pop_back();
  if (w.current == index) w.current = -1;
  if (w.current == static_cast<int>(w.splits.size())) w.current = index;
}

void free_meeting(Warp& w, int index) {
  w.meetings[index].at = nullptr;
  w.free_meetings.push_back(index);
}

// All lanes that were to come have come: they go on as one split, whose index is returned.
int release(Warp& w, int index) {
  const Meeting m = w.meetings[index];
  free_meeting(w, index);
  Split s;
  s.pc = m.call ? m.at : m.at + 1;
  s.mask = m.arrived;
  s.meeting = m.parent;
  s.code = m.code;
  s.frame = m.frame;
  s.local_base = m.local_base;
  s.depth = m.depth;
  w.splits.push_back(s);
  return static_cast<int>(w.splits.size()) - 1;
}

}  // namespace

int new_meeting(Warp& w, const Meeting& meeting) {
  if (w.free_meetings.empty()) {
    w.meetings.push_back(meeting);
    return static_cast<int>(w.meetings.size()) - 1;
  }
  int index = w.free_meetings.back();
  w.free_meetings.pop_back();
  w.meetings[index] = meeting;
  return index;
}

void flush_counts(Warp& w) {
  w.instructions += w.steps * static_cast<unsigned>(std::popcount(w.base_mask));
  w.slice_end = w.slice_end > w.steps ? w.slice_end - w.steps : 0;
  w.grid->ran += w.steps;
  w.steps = 0;
}

const Inst* next_split(Warp& w) {
  const int n = static_cast<int>(w.splits.size());
  for (int k = 1; k <= n; ++k) {
    int index = (w.current + k) % n;
    if (w.splits[index].wait != Wait::None) continue;
    enter(w, index);
    return w.splits[index].pc;
  }
  w.current = -1;
  return nullptr;
}

const Inst* diverge(Warp& w, const Inst* meet, const Inst* const* targets, const uint32_t* masks,
                    int count) {
  flush_counts(w);
  Split s = w.splits[w.current];
  if (meet) {
    bool shared = false;  // a loop that loses lanes bit by bit has one meeting, not one a round
    if (s.meeting >= 0) {
      const Meeting& m = w.meetings[s.meeting];
      shared = m.at == meet && m.frame == s.frame && !m.call;
    }
    if (!shared) {
      s.meeting = new_meeting(
          w, {meet, s.meeting, s.mask, 0, s.code, s.frame, s.local_base, s.depth, nullptr});
    }
  }
  for (int k = 1; k < count; ++k) {
    s.pc = targets[k];
    s.mask = masks[k];
    w.splits.push_back(s);
  }
  s.pc = targets[0];
  s.mask = masks[0];
  w.splits[w.current] = s;
  enter(w, w.current);
  return s.pc;
}

const Inst* arrive(Warp& w) {
  flush_counts(w);
  const int index = w.splits[w.current].meeting;
  Meeting& m = w.meetings[index];
  m.arrived |= w.base_mask;
  remove_split(w, w.current);
  if (m.arrived == m.expected) {
    int split = release(w, index);
    enter(w, split);
    return w.splits[split].pc;
  }
  return next_split(w);
}

void leave_meetings(Warp& w, int index, uint32_t mask, int last) {
  while (index != last) {
    Meeting& m = w.meetings[index];
    int parent = m.parent;
    m.expected &= ~mask;
    if (m.expected == 0) {
      free_meeting(w, index);
    } else if (m.arrived == m.expected) {
      release(w, index);
    }
    index = parent;
  }
}

const Inst* lanes_exit(Warp& w) {
  flush_counts(w);
  const Split s = w.splits[w.current];
  w.alive &= ~s.mask;
  w.block->alive -= static_cast<unsigned>(std::popcount(s.mask));
  ++w.block->serial;
  remove_split(w, w.current);
  leave_meetings(w, s.meeting, s.mask, -1);
  recheck_warp_waits(w);
  check_barriers(*w.block);
  return next_split(w);
}

void park(Warp& w, const Inst* pc, Wait wait) {
  flush_counts(w);
  Split& s = w.splits[w.current];
  s.pc = pc;
  s.wait = wait;
}

void release_early(Warp& w) {
  for (size_t i = 0; i < w.meetings.size(); ++i) {
    Meeting& m = w.meetings[i];
    if (!m.at || !m.arrived) continue;
    const uint32_t go = m.arrived;
    const Meeting copy = m;
    m.expected &= ~go;
    m.arrived = 0;
    Split s{copy.call ? copy.at : copy.at + 1,
            go,
            copy.parent,
            copy.code,
            copy.frame,
            copy.local_base,
            copy.depth};
    w.splits.push_back(s);
  }
}

char* frame_of(Warp& w, int depth, const Code* code) {
  auto& slot = w.frames.try_emplace({depth, code}, nullptr, nullptr).first->second;
  if (!slot) {
    auto* bytes = static_cast<char*>(::operator new (code->frame_bytes, std::align_val_t{64}));
    slot = {bytes, [](char* p) { ::operator delete (p, std::align_val_t{64}); }};
    std::memset(bytes, 0, code->frame_bytes);
    if (!code->constants.empty())
      std::memcpy(bytes + code->constants_at, code->constants.data(), code->constants.size());
  }
  return slot.get();
}

void run_warp(Warp& w, uint64_t slice) {
  w.slice_end = slice;
  w.yielded = w.polling = false;
  const Inst* pc = next_split(w);
  while (pc) {
    ++w.steps;
    pc = pc->fn(w, pc);
  }
  flush_counts(w);
}

}  // namespace sim::ptx
