// SPDX-License-Identifier: Apache-2.0
// What lanes of a warp tell each other. Lanes named in a member mask have met before (Rendezvous).
#include "tests/sim/ptx/core/lanes.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

// r: d, p, a, b, c
const Inst* shfl(Warp& w, const Inst* in) {
  const uint32_t *a = lanes<uint32_t>(w, in->r[2]), *b = lanes<uint32_t>(w, in->r[3]),
                 *c = lanes<uint32_t>(w, in->r[4]);
  uint32_t value[kLanes];
  uint32_t in_range = 0;
  const auto mode = static_cast<Lane>(in->aux);
  SIM_ACTIVE(w.mask) {
    const int segment = int(c[i] >> 8 & 31), clamp = int(c[i] & 31), n = int(b[i] & 31);
    const int last = (i & segment) | (clamp & ~segment), first = i & segment;
    int j = i;
    bool ok = false;
    switch (mode) {
      case Lane::Up:
        j = i - n;
        ok = j >= last;
        break;
      case Lane::Down:
        j = i + n;
        ok = j <= last;
        break;
      case Lane::Bfly:
        j = i ^ n;
        ok = j <= last;
        break;
      case Lane::Idx:
        j = first | (n & ~segment);
        ok = j <= last;
        break;
      case Lane::All:
      case Lane::Any:
      case Lane::Uni:
      case Lane::Ballot:
        break;
    }
    if (!ok) j = i;
    value[i] = a[j];
    in_range |= uint32_t(ok) << i;
  }
  uint32_t* d = lanes<uint32_t>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = value[i];
  if (in->flag) write_pred(w, in->r[1], in_range);
  return in + 1;
}

// r: d, predicate, members. Groups with different member masks may meet in one instruction.
const Inst* vote(Warp& w, const Inst* in) {
  const uint32_t p = in->negated ? ~pred(w, in->r[1]) : pred(w, in->r[1]);
  const uint32_t* members = lanes<uint32_t>(w, in->r[2]);
  const auto mode = static_cast<Lane>(in->aux);
  if (mode == Lane::Ballot) {
    const uint32_t m = w.mask;
    write<uint32_t>(w, in->r[0], [=](int i) { return p & m & members[i]; });
    return in + 1;
  }
  uint32_t result = 0;
  SIM_ACTIVE(w.mask) {
    const uint32_t group = members[i] & w.mask, yes = p & group;
    const bool all = yes == group;
    const bool r = mode == Lane::All ? all : mode == Lane::Any ? yes != 0 : all || yes == 0;
    result |= uint32_t(r) << i;
  }
  write_pred(w, in->r[0], result);
  return in + 1;
}

// r: d, p, a, members
template <class T>
const Inst* match(Warp& w, const Inst* in) {
  const T* a = lanes<T>(w, in->r[2]);
  const uint32_t* members = lanes<uint32_t>(w, in->r[3]);
  uint32_t* d = lanes<uint32_t>(w, in->r[0]);
  uint32_t all_same = 0;
  uint32_t out[kLanes];
  SIM_ACTIVE(w.mask) {
    const uint32_t group = members[i] & w.mask;
    uint32_t same = 0;
    for (uint32_t rest = group; rest; rest &= rest - 1) {
      int j = std::countr_zero(rest);
      if (a[j] == a[i]) same |= 1u << j;
    }
    const bool all = same == group;
    all_same |= uint32_t(all) << i;
    out[i] = in->flag2 ? (all ? group : 0) : same;  // flag2: match.all
  }
  SIM_ACTIVE(w.mask) d[i] = out[i];
  if (in->flag) write_pred(w, in->r[1], all_same);
  return in + 1;
}

const Inst* activemask(Warp& w, const Inst* in) {
  const uint32_t m = w.mask;
  write<uint32_t>(w, in->r[0], [=](int) { return m; });
  return in + 1;
}

// r: d, a, members
template <class T>
const Inst* redux(Warp& w, const Inst* in) {
  const T* a = lanes<T>(w, in->r[1]);
  const uint32_t* members = lanes<uint32_t>(w, in->r[2]);
  T out[kLanes];
  SIM_ACTIVE(w.mask) {
    bool first = true;
    T r = 0;
    for (uint32_t rest = members[i] & w.mask; rest; rest &= rest - 1) {
      const T v = a[std::countr_zero(rest)];
      if (first) {
        r = v;
        first = false;
        continue;
      }
      switch (static_cast<AtomOp>(in->aux)) {
        case AtomOp::Add:
          r = T(uint32_t(r) + uint32_t(v));
          break;
        case AtomOp::Min:
          r = v < r ? v : r;
          break;
        case AtomOp::Max:
          r = v > r ? v : r;
          break;
        case AtomOp::And:
          r = T(r & v);
          break;
        case AtomOp::Or:
          r = T(r | v);
          break;
        case AtomOp::Xor:
          r = T(r ^ v);
          break;
        case AtomOp::Cas:
        case AtomOp::Exch:
        case AtomOp::Inc:
        case AtomOp::Dec:
          break;
      }
    }
    out[i] = r;
  }
  T* d = lanes<T>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = out[i];
  return in + 1;
}

// r: d, p, members. The lowest member is the leader.
const Inst* elect(Warp& w, const Inst* in) {
  const uint32_t* members = lanes<uint32_t>(w, in->r[2]);
  uint32_t leader = 0;
  uint32_t* d = lanes<uint32_t>(w, in->r[0]);
  SIM_ACTIVE(w.mask) {
    const uint32_t group = members[i] & w.mask;
    const int first = group ? std::countr_zero(group) : i;
    d[i] = uint32_t(first);
    leader |= uint32_t(first == i) << i;
  }
  write_pred(w, in->r[1], leader);
  return in + 1;
}

}  // namespace

Handler select_lanes(const Inst& in) {
  switch (in.op) {
    case Op::Shfl:
      return shfl;
    case Op::Vote:
      return vote;
    case Op::Match:
      return bits(in.type) == 64 ? match<uint64_t> : match<uint32_t>;
    case Op::Activemask:
      return activemask;
    case Op::Redux:
      return in.type == Type::S32 ? redux<int32_t> : redux<uint32_t>;
    case Op::Elect:
      return elect;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
