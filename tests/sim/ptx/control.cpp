// SPDX-License-Identifier: Apache-2.0
// Instructions that change where lanes are: branches, calls, waits, the end.
#include <sched.h>

#include <bit>
#include <cstring>

#include "tests/sim/ptx/builtin.h"
#include "tests/sim/ptx/device_call.h"
#include "tests/sim/ptx/module.h"
#include "tests/sim/ptx/special.h"
#include "tests/sim/ptx/warp.h"

namespace sim::ptx {
namespace {

uint32_t& pred(Warp& w, uint32_t at) {
  return *reinterpret_cast<uint32_t*>(w.frame + at);
}
template <class T>
T* lanes(Warp& w, uint32_t at) {
  return reinterpret_cast<T*>(w.frame + at);
}

const Inst* nop(Warp&, const Inst* in) {
  return in + 1;
}

// The next instruction runs for the lanes whose predicate is true.
const Inst* guard(Warp& w, const Inst* in) {
  const uint32_t p = pred(w, in->r[0]);
  const uint32_t mask = w.base_mask & (in->negated ? ~p : p);
  if (!mask) return in + 2;
  w.mask = mask;
  const Inst* next = in[1].fn(w, in + 1);
  w.mask = w.base_mask;
  return next;
}

const Inst* yield(Warp& w, const Inst* pc) {
  park(w, pc, Wait::None);
  release_early(w);
  w.yielded = true;
  if (w.polling) sched_yield();  // the other side may be a kernel on another host thread
  return nullptr;
}

const Inst* jump(Warp& w, const Inst* in, const Inst* target) {
  if (target <= in && w.steps >= w.slice_end) [[unlikely]]
    return yield(w, target);
  return target;
}

const Inst* meeting_of(Warp& w, const Inst* in) {
  return in->imm < 0 ? nullptr : w.code->insts.data() + in->imm;
}

const Inst* bra(Warp& w, const Inst* in) {
  if (!in->flag) return jump(w, in, in->target);
  const uint32_t p = pred(w, in->r[0]);
  const uint32_t taken = w.base_mask & (in->negated ? ~p : p);
  if (taken == w.base_mask) return jump(w, in, in->target);
  if (!taken) return in + 1;
  if (w.steps >= w.slice_end && in->target <= in) [[unlikely]]
    return yield(w, in);
  const Inst* targets[] = {in->target, in + 1};
  const uint32_t masks[] = {taken, w.base_mask & ~taken};
  return diverge(w, meeting_of(w, in), targets, masks, 2);
}

const Inst* brx(Warp& w, const Inst* in) {
  const auto& table = w.code->tables[static_cast<size_t>(in->aux)].targets;
  const uint32_t* index = lanes<uint32_t>(w, in->r[0]);
  const Inst* targets[kLanes];
  uint32_t masks[kLanes];
  int count = 0;
  w.at = in;
  for (uint32_t left = w.base_mask; left;) {
    const int lane = std::countr_zero(left);
    if (index[lane] >= table.size()) stop(w, Outcome::IllegalInstruction, 0);
    const Inst* target = table[index[lane]];
    uint32_t mask = 0;
    for (uint32_t rest = left; rest; rest &= rest - 1) {
      const int i = std::countr_zero(rest);
      if (index[i] < table.size() && table[index[i]] == target) mask |= 1u << i;
    }
    targets[count] = target;
    masks[count++] = mask;
    left &= ~mask;
  }
  if (count == 1) return jump(w, in, targets[0]);
  return diverge(w, meeting_of(w, in), targets, masks, count);
}

const Inst* join(Warp& w, const Inst* in) {
  const int index = w.splits[w.current].meeting;
  --w.steps;  // no instruction of the program
  if (index < 0 || w.meetings[index].at != in || w.meetings[index].frame != w.frame ||
      w.meetings[index].call)
    return in + 1;
  return arrive(w);
}

void copy_lanes(Warp& w, uint32_t mask, uint32_t from, uint32_t to, uint32_t bytes) {
  for (; mask; mask &= mask - 1) {
    char* local = w.local + static_cast<uint64_t>(std::countr_zero(mask)) * w.local_stride;
    std::memcpy(local + to, local + from, bytes);
  }
}

// Starts `callee` for the lanes of `mask`, all of the current split, and returns its split.
Split called(Warp& w, const Inst* in, const CallSite& site, const Code* callee, uint32_t mask,
             int meeting) {
  Split s = w.splits[w.current];
  const uint32_t base = s.local_base + static_cast<uint32_t>(s.code->local_bytes);
  w.at = in;
  if (!callee->refused.empty()) {
    w.grid->message = callee->refused;
    stop(w, Outcome::IllegalInstruction, 0);
  }
  if (base + callee->local_bytes > w.local_size) {
    w.grid->message = "call stack overflow";
    stop(w, Outcome::IllegalAddress, kLocalWindow + base + callee->local_bytes);
  }
  for (size_t k = 0; k < site.arguments.size(); ++k) {
    const Copy& c = site.arguments[k];
    copy_lanes(w, mask, s.local_base + c.from, base + callee->param_at[k],
               std::min(c.bytes, callee->param_size[k]));
  }
  s.pc = callee->insts.data();
  s.mask = mask;
  s.meeting = meeting;
  s.code = callee;
  s.depth += 1;
  s.frame = frame_of(w, s.depth, callee);
  s.local_base = base;
  return s;
}

int return_point(Warp& w, const Inst* in, const CallSite& site) {
  const Split& s = w.splits[w.current];
  return new_meeting(w,
                     {in + 1, s.meeting, s.mask, 0, s.code, s.frame, s.local_base, s.depth, &site});
}

const Inst* call(Warp& w, const Inst* in) {
  flush_counts(w);
  const CallSite& site = w.code->calls[static_cast<size_t>(in->imm)];
  const int meeting = return_point(w, in, site);
  w.splits[w.current] = called(w, in, site, site.callee, w.base_mask, meeting);
  return next_split(w);
}

const Inst* call_indirect(Warp& w, const Inst* in) {
  flush_counts(w);
  const CallSite& site = w.code->calls[static_cast<size_t>(in->imm)];
  const uint64_t* pointer = lanes<uint64_t>(w, in->r[0]);
  const int meeting = return_point(w, in, site);
  Split mine;
  bool first = true;
  for (uint32_t left = w.base_mask; left;) {
    const uint64_t target = pointer[std::countr_zero(left)];
    uint32_t mask = 0;
    for (uint32_t rest = left; rest; rest &= rest - 1) {
      const int i = std::countr_zero(rest);
      if (pointer[i] == target) mask |= 1u << i;
    }
    left &= ~mask;
    w.at = in;
    const Code* callee = function_at(*w.grid->kernel, target);
    if (!callee) stop(w, Outcome::IllegalAddress, target);
    if (callee->param_at.size() != site.arguments.size()) stop(w, Outcome::IllegalAddress, target);
    Split s = called(w, in, site, callee, mask, meeting);
    if (first) {
      mine = s;
      first = false;
    } else {
      w.splits.push_back(s);
    }
  }
  w.splits[w.current] = mine;
  return next_split(w);
}

const Inst* ret(Warp& w, const Inst*) {
  if (w.splits[w.current].depth == 0) return lanes_exit(w);
  flush_counts(w);
  const Split s = w.splits[w.current];
  int home = s.meeting;  // the return point; meetings before it are left, not reached
  while (!w.meetings[home].call) home = w.meetings[home].parent;
  leave_meetings(w, s.meeting, s.mask, home);
  w.splits[w.current].meeting = home;
  const Meeting& m = w.meetings[home];
  for (size_t k = 0; k < m.call->results.size(); ++k) {
    const Copy& c = m.call->results[k];
    copy_lanes(w, s.mask, s.local_base + s.code->return_at[k], m.local_base + c.from,
               std::min(c.bytes, s.code->return_size[k]));
  }
  return arrive(w);
}

const Inst* exit_lanes(Warp& w, const Inst*) {
  return lanes_exit(w);
}

const Inst* trap(Warp& w, const Inst* in) {
  w.at = in;
  stop(w, Outcome::Trap, 0);
}

const Inst* unsupported(Warp& w, const Inst* in) {
  w.at = in;
  stop(w, Outcome::IllegalInstruction, 0);
}

const Inst* builtin(Warp& w, const Inst* in) {
  const CallSite& site = w.code->calls[static_cast<size_t>(in->imm)];
  w.at = in;
  call_builtin(w, site);
  return in + 1;
}

const Inst* special(Warp& w, const Inst* in) {
  read_special(w, *in);
  return in + 1;
}

uint32_t members_of(Warp& w, const uint32_t* members, uint32_t mask) {
  uint32_t need = 0;
  for (; mask; mask &= mask - 1) need |= members[std::countr_zero(mask)];
  return need & w.alive;
}

const Inst* rendezvous(Warp& w, const Inst* in) {
  --w.steps;
  if (w.base_mask == w.alive) return in + 1;
  const uint32_t need = members_of(w, lanes<uint32_t>(w, in->r[0]), w.base_mask);
  if ((need & ~w.base_mask) == 0) return in + 1;
  park(w, in, Wait::Rendezvous);
  recheck_warp_waits(w);
  return next_split(w);
}

const Inst* warp_barrier(Warp& w, const Inst* in) {
  if (w.base_mask == w.alive) return in + 1;
  const uint32_t need = members_of(w, lanes<uint32_t>(w, in->r[0]), w.base_mask);
  if ((need & ~w.base_mask) == 0) return in + 1;
  park(w, in + 1, Wait::Warp);
  w.splits[w.current].barrier = need;
  recheck_warp_waits(w);
  return next_split(w);
}

const Inst* yield_now(Warp& w, const Inst* in) {
  return yield(w, in + 1);
}

// Blocks run one after the other, so the last one speaks for all.
bool last_block(const Warp& w) {
  const Dim& grid = w.grid->launch->grid;
  const Dim& index = w.block->index;
  return index.x + 1 == grid.x && index.y + 1 == grid.y && index.z + 1 == grid.z;
}

const Inst* grid_dependency(Warp& w, const Inst* in) {
  const DeviceCalls& calls = device_calls();
  if (!in->flag) {
    if (calls.launch_dependents && last_block(w) && !w.grid->launch->cooperative) {
      calls.launch_dependents();
    }
    return in + 1;
  }
  while (calls.dependency_done && !calls.dependency_done()) sched_yield();
  return in + 1;
}

// r: result, predicate, number, count. aux: 0 sync, 1 arrive, 2 red.popc, 3 red.and, 4 red.or
const Inst* barrier(Warp& w, const Inst* in) {
  const int lane = std::countr_zero(w.base_mask);
  const uint32_t number = lanes<uint32_t>(w, in->r[2])[lane];
  const uint32_t count = in->flag ? lanes<uint32_t>(w, in->r[3])[lane] : 0;
  w.at = in;
  if (number > 15 || count % kLanes) stop(w, Outcome::IllegalInstruction, 0);
  Block& block = *w.block;
  BarrierState& b = block.barriers[number];
  if (count) b.expects = count;
  const auto here = static_cast<unsigned>(std::popcount(w.base_mask));
  if (in->aux == 1) {
    b.passed_by += here;
    check_barriers(block);
    return in + 1;
  }
  b.arrived += here;
  if (in->aux >= 2) {
    const uint32_t p = in->negated ? ~pred(w, in->r[1]) : pred(w, in->r[1]);
    b.reduced += static_cast<unsigned>(std::popcount(p & w.base_mask));
  }
  park(w, in + 1, Wait::Barrier);
  w.splits[w.current].barrier = number;
  check_barriers(block);
  return next_split(w);
}

}  // namespace

// Lets splits go whose members have all come; a collective is then executed once, for all of them.
void recheck_warp_waits(Warp& w) {
  for (size_t first = 0; first < w.splits.size(); ++first) {
    const Split& s = w.splits[first];
    if (s.wait != Wait::Rendezvous && s.wait != Wait::Warp) continue;
    const bool collective = s.wait == Wait::Rendezvous;
    uint32_t have = 0, need = 0;
    for (const Split& other : w.splits) {
      if (other.wait != s.wait) continue;
      if (collective && (other.pc != s.pc || other.frame != s.frame)) continue;
      have |= other.mask;
    }
    const uint32_t alive = w.alive;
    if (collective) {
      const auto* members = reinterpret_cast<const uint32_t*>(s.frame + s.pc->r[0]);
      uint32_t reach = s.mask;  // everybody that somebody in the group names
      for (uint32_t before = 0; before != reach;) {
        before = reach;
        for (uint32_t m = reach & have; m; m &= m - 1)
          reach |= members[std::countr_zero(m)] & alive;
      }
      need = reach;
    } else {
      need = s.barrier & alive;
    }
    if (need & ~have) continue;
    const Inst* pc = s.pc;
    char* frame = s.frame;
    uint32_t group = 0;
    for (Split& other : w.splits) {
      if (other.wait != (collective ? Wait::Rendezvous : Wait::Warp) || !(other.mask & need))
        continue;
      if (collective && (other.pc != pc || other.frame != frame)) continue;
      group |= other.mask;
      other.wait = Wait::None;
      if (collective) other.pc = pc + 2;
    }
    if (collective) {
      const uint32_t mask = w.mask, base = w.base_mask;
      char* old_frame = w.frame;
      w.frame = frame;
      w.mask = w.base_mask = group;
      pc[1].fn(w, pc + 1);
      w.frame = old_frame;
      w.mask = mask;
      w.base_mask = base;
      w.instructions += static_cast<unsigned>(std::popcount(group));
    }
  }
}

void check_barriers(Block& block) {
  for (uint32_t number = 0; number < 16; ++number) {
    BarrierState& b = block.barriers[number];
    if (!b.arrived && !b.passed_by) continue;
    uint32_t have = b.arrived + b.passed_by;
    if (b.expects) {
      for (const Warp& w : block.warps) {  // a warp counts whole: its exited lanes are there too
        for (const Split& s : w.splits) {
          if (s.wait != Wait::Barrier || s.barrier != number) continue;
          have += kLanes - static_cast<unsigned>(std::popcount(w.alive));
          break;
        }
      }
      if (have < b.expects) continue;
    } else if (have < block.alive || !b.arrived) {
      continue;
    }
    ++block.serial;
    for (Warp& w : block.warps) {
      for (Split& s : w.splits) {
        if (s.wait != Wait::Barrier || s.barrier != number) continue;
        s.wait = Wait::None;
        const Inst& in = s.pc[-1];
        if (in.aux == 2) {
          auto* d = reinterpret_cast<uint32_t*>(s.frame + in.r[0]);
          for (uint32_t m = s.mask; m; m &= m - 1) d[std::countr_zero(m)] = b.reduced;
        } else if (in.aux > 2) {
          auto& d = *reinterpret_cast<uint32_t*>(s.frame + in.r[0]);
          const bool yes = in.aux == 3 ? b.reduced == b.arrived : b.reduced != 0;
          d = (d & ~s.mask) | (yes ? s.mask : 0);
        }
      }
    }
    b = {};
  }
}

Handler control_handler(const Inst& in) {
  switch (in.op) {
    case Op::Nop:
      return nop;
    case Op::Guard:
      return guard;
    case Op::Bra:
      return bra;
    case Op::Brx:
      return brx;
    case Op::Join:
      return join;
    case Op::Call:
      return call;
    case Op::CallIndirect:
      return call_indirect;
    case Op::CallBuiltin:
      return builtin;
    case Op::Ret:
      return ret;
    case Op::Exit:
      return exit_lanes;
    case Op::Trap:
      return trap;
    case Op::Barrier:
      return barrier;
    case Op::WarpBarrier:
      return warp_barrier;
    case Op::Rendezvous:
      return rendezvous;
    case Op::Yield:
      return yield_now;
    case Op::GridDependency:
      return grid_dependency;
    case Op::Texture:
      return texture_access;
    case Op::Bulk:
      return bulk_copy;
    case Op::BulkGroup:
      return bulk_group;
    case Op::Mbarrier:
      return mbarrier;
    case Op::Unsupported:
      return unsupported;
    case Op::Special:
      return special;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx
