// SPDX-License-Identifier: Apache-2.0
// mbarrier: a counter of arrivals and of bytes in shared memory. It changes phase when both are
// complete. The object is opaque; this one has a mark, so that other memory is not taken for one.
#include <algorithm>
#include <bit>
#include <cstring>

#include "tests/sim/ptx/bulk.h"
#include "tests/sim/ptx/warp.h"

namespace sim::ptx {
namespace {

constexpr uint32_t kMost = (1u << 20) - 1;  // arrivals; bytes, either way
constexpr uint64_t kMark = 2;

struct State {
  uint64_t pending : 20 = 0;
  uint64_t expected : 20 = 0;
  int64_t bytes : 21 =
      0;  // that are still to come; fewer than none: came before they were expected
  uint64_t phase : 1 = 0;
  uint64_t mark : 2 = 0;
};
static_assert(sizeof(State) == 8);

[[noreturn]] void refuse(Warp& w, const char* why) {
  w.grid->message = why;
  stop(w, Outcome::Trap, 0);
}

State load(Warp& w, const char* at) {
  const State state = std::bit_cast<State>(*reinterpret_cast<const uint64_t*>(at));
  if (state.mark != kMark || state.expected == 0) refuse(w, "no mbarrier is there");
  return state;
}

void store(char* at, State state) {
  if (state.pending == 0 && state.bytes == 0) {
    state.phase ^= 1;
    state.pending = state.expected;
  }
  const auto word = std::bit_cast<uint64_t>(state);
  std::memcpy(at, &word, sizeof word);
}

void count_bytes(Warp& w, State& state, int64_t change) {
  const int64_t bytes = state.bytes + change;
  if (bytes > int64_t{kMost} || bytes < -int64_t{kMost})
    refuse(w, "too many bytes for an mbarrier");
  state.bytes = bytes;
}

void arrive(Warp& w, State& state, uint32_t count) {
  if (count == 0 || count > state.pending) refuse(w, "more arrivals than the mbarrier expects");
  state.pending -= count;
}

// Whoever waits in a loop lets others run soon.
bool has_passed(Warp& w, const char* at, uint64_t phase) {
  if (load(w, at).phase != phase) return true;
  finish_copies_for(*w.block, static_cast<uint32_t>(at - w.shared));
  if (load(w, at).phase != phase) return true;
  constexpr uint64_t kPatience = 64;
  w.polling = true;
  w.slice_end = std::min(w.slice_end, w.steps + kPatience);
  return false;
}

void change(Warp& w, const Inst& in, char* at, int lane) {
  const auto kind = static_cast<Mbarrier>(in.aux);
  const uint32_t operand = lane_of<uint32_t>(w, in.r[2], lane);
  if (kind == Mbarrier::Init) {
    if (operand == 0 || operand > kMost) refuse(w, "bad count of an mbarrier");
    State fresh;
    fresh.pending = fresh.expected = operand;
    fresh.mark = kMark;
    return store(at, fresh);
  }
  State state = load(w, at);
  const uint64_t phase = state.phase;
  switch (kind) {
    case Mbarrier::Arrive:
      arrive(w, state, operand);
      break;
    case Mbarrier::ArriveExpectTx:
      count_bytes(w, state, operand);
      arrive(w, state, 1);
      break;
    case Mbarrier::ArriveDrop:
      state.expected -= std::min<uint64_t>(operand, state.expected);
      arrive(w, state, operand);
      break;
    case Mbarrier::ArriveDropExpectTx:
      count_bytes(w, state, operand);
      state.expected -= 1;
      arrive(w, state, 1);
      break;
    case Mbarrier::ExpectTx:
      count_bytes(w, state, operand);
      break;
    case Mbarrier::CompleteTx:
      count_bytes(w, state, -int64_t{operand});
      break;
    case Mbarrier::Inval:
      std::memset(at, 0, sizeof state);
      return;
    case Mbarrier::Init:
    case Mbarrier::TestWait:
    case Mbarrier::TryWait:
    case Mbarrier::PendingCount:
      return;
  }
  State before = state;
  before.phase = phase;
  if (in.flag2) lane_of<uint64_t>(w, in.r[0], lane) = std::bit_cast<uint64_t>(before);
  store(at, state);
}

}  // namespace

const Inst* mbarrier(Warp& w, const Inst* in) {
  w.at = in;
  const auto kind = static_cast<Mbarrier>(in->aux);
  uint32_t passed = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (kind == Mbarrier::PendingCount) {
      const auto state = std::bit_cast<State>(lane_of<uint64_t>(w, in->r[2], lane));
      lane_of<uint32_t>(w, in->r[0], lane) = static_cast<uint32_t>(state.pending);
      continue;
    }
    const uint64_t address =
        static_cast<uint64_t>(in->imm) + (in->width2 == 8 ? lane_of<uint64_t>(w, in->r[1], lane)
                                                          : lane_of<uint32_t>(w, in->r[1], lane));
    char* const at = shared_memory(w, address, in->space == Space::Generic, 8, 8);
    if (kind != Mbarrier::TestWait && kind != Mbarrier::TryWait) {
      change(w, *in, at, lane);
      continue;
    }
    const uint64_t phase = in->flag
                               ? lane_of<uint32_t>(w, in->r[2], lane) & 1
                               : std::bit_cast<State>(lane_of<uint64_t>(w, in->r[2], lane)).phase;
    if (has_passed(w, at, phase)) passed |= 1u << lane;
  }
  if (kind == Mbarrier::TestWait || kind == Mbarrier::TryWait) {
    auto& result = *reinterpret_cast<uint32_t*>(w.frame + in->r[0]);
    result = (result & ~w.mask) | passed;
  }
  return in + 1;
}

void complete_transaction(Warp& w, uint32_t offset, uint32_t bytes) {
  char* const at = w.shared + offset;
  State state = load(w, at);
  count_bytes(w, state, -int64_t{bytes});
  store(at, state);
}

}  // namespace sim::ptx
