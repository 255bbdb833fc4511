// SPDX-License-Identifier: Apache-2.0
// Where a piece's bytes are, and which changes exist. States, their facts and the edges are tables:
// the code asks, it never assigns. advance() in ledger.h is the only writer.
//
//   out: Device -> Evicting (the copy is under way; whoever needs the piece takes it back: Rescue)
//        -> Leaving (the address changes over) -> Host
//   in:  Host -> Fetching (the address changes over) -> Arriving (the copy is under way; work may
//        be submitted that waits for it on the GPU) -> Device
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace spillway {

enum class Residency : uint8_t { Unbacked, Device, Evicting, Leaving, Host, Fetching, Arriving };
enum class Step : uint8_t {
  Back,      // memory was put behind a new piece, on the device
  BackHost,  // the same, on the host, because the device is full
  BeginEvict,
  Rescue,  // it was asked for, or freed, before its copy was over: it never left
  Leave,   // the copy is over, seen from the host
  EndEvict,
  AbortEvict,  // the copy or the remap failed; the bytes are still on the device
  BeginFetch,
  Arrive,  // chunks stand at the address, and the copy into them is queued
  EndFetch,
  AbortFetch,
  Drop,  // the range died: what backed it is free
};
// Why a move happens: an argument of every move and a column of every report.
enum class Cause : uint8_t {
  Allocation,
  Pressure,
  Launch,
  Pin,
  Prefetch,
  Writeback,
  Hint,
  Collective,
  Free,
  Shutdown,
  Plan
};

struct StateRow {
  Residency state;
  std::string_view name;
  bool usable;       // work may touch the address: now (in place when on the host), or once it has
                     // waited for the arriving copy
  bool device_copy;  // chunks hold the bytes
  bool host_copy;    // a backup holds the bytes
  bool on_chunks;    // it occupies device memory
};
inline constexpr StateRow kStates[] = {
    {Residency::Unbacked, "Unbacked", false, false, false, false},
    {Residency::Device, "Device", true, true, false, true},
    {Residency::Evicting, "Evicting", false, true, false, true},
    {Residency::Leaving, "Leaving", false, true, true, true},
    {Residency::Host, "Host", true, false, true, false},
    {Residency::Fetching, "Fetching", false, false, true, true},
    {Residency::Arriving, "Arriving", true, false, true, true},
};

struct Edge {
  Residency from;
  Step step;
  Residency to;
};
inline constexpr Edge kEdges[] = {
    {Residency::Unbacked, Step::Back, Residency::Device},
    {Residency::Unbacked, Step::BackHost, Residency::Host},
    {Residency::Device, Step::BeginEvict, Residency::Evicting},
    {Residency::Evicting, Step::Rescue, Residency::Device},
    {Residency::Evicting, Step::AbortEvict, Residency::Device},
    {Residency::Evicting, Step::Leave, Residency::Leaving},
    {Residency::Leaving, Step::AbortEvict, Residency::Device},
    {Residency::Leaving, Step::EndEvict, Residency::Host},
    {Residency::Host, Step::BeginFetch, Residency::Fetching},
    {Residency::Fetching, Step::AbortFetch, Residency::Host},
    {Residency::Fetching, Step::Arrive, Residency::Arriving},
    {Residency::Arriving, Step::EndFetch, Residency::Device},
    {Residency::Device, Step::Drop, Residency::Unbacked},
    {Residency::Host, Step::Drop, Residency::Unbacked},
};

inline constexpr std::string_view kStepNames[] = {"Back",   "BackHost", "BeginEvict", "Rescue",
                                                  "Leave",  "EndEvict", "AbortEvict", "BeginFetch",
                                                  "Arrive", "EndFetch", "AbortFetch", "Drop"};
inline constexpr std::string_view kCauseNames[] = {
    "allocation", "pressure",   "launch", "pin",      "prefetch", "writeback",
    "hint",       "collective", "free",   "shutdown", "plan"};

constexpr std::optional<Residency> next(Residency from, Step step) {
  for (const Edge& edge : kEdges)
    if (edge.from == from && edge.step == step) return edge.to;
  return std::nullopt;
}
constexpr const StateRow& facts(Residency state) {
  return kStates[static_cast<int>(state)];
}
constexpr std::string_view name(Step step) {
  return kStepNames[static_cast<int>(step)];
}
constexpr std::string_view name(Cause cause) {
  return kCauseNames[static_cast<int>(cause)];
}

constexpr bool tables_agree() {
  for (size_t i = 0; i < std::size(kStates); i++)
    if (kStates[i].state != static_cast<Residency>(i)) return false;
  for (const Edge& a : kEdges)
    for (const Edge& b : kEdges)
      if (&a != &b && a.from == b.from && a.step == b.step) return false;
  return true;
}
static_assert(tables_agree(), "a state row out of place, or two edges leave one state by one step");
static_assert(!next(Residency::Evicting, Step::EndEvict), "the host must have seen the copy's end");

}  // namespace spillway
