// SPDX-License-Identifier: Apache-2.0
// State of a running grid: blocks, warps, and the splits into which a warp falls when its lanes
// take different ways.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "tests/sim/ptx/bulk.h"
#include "tests/sim/ptx/inst.h"

namespace sim::ptx {

struct Block;
struct Grid;
class Kernel;

// Fixed generic-address windows of the spaces that are not plain memory. Bits 47 and up are not all
// equal, so neither the host nor the device window can ever produce such an address.
inline constexpr uint64_t kSharedWindow = 0x5300'0000'0000'0000ull;
inline constexpr uint64_t kLocalWindow = 0x4c00'0000'0000'0000ull;
inline constexpr uint64_t kParamWindow = 0x5000'0000'0000'0000ull;
inline constexpr uint64_t kCodeWindow = 0x4600'0000'0000'0000ull;  // + function index * 16
inline constexpr uint64_t kWindowSize = 1ull << 32;

// Lanes that wait for the others at the place where their ways meet again.
struct Meeting {
  const Inst* at = nullptr;  // a Join; for a call the instruction after it
  int parent = -1;           // the meeting around this one
  uint32_t expected = 0;     // lanes that are still to come or have come; exited lanes leave it
  uint32_t arrived = 0;
  // Where the lanes go on. For the return from a call this is the caller's frame, else the same.
  const Code* code = nullptr;
  char* frame = nullptr;
  uint32_t local_base = 0;
  int depth = 0;
  const CallSite* call = nullptr;  // not null: returning lanes bring results
};

enum class Wait : uint8_t { None, Barrier, Warp, Rendezvous };

struct Split {
  const Inst* pc = nullptr;
  uint32_t mask = 0;
  int meeting = -1;
  const Code* code = nullptr;
  char* frame = nullptr;
  uint32_t local_base = 0;
  int depth = 0;
  Wait wait = Wait::None;
  uint32_t barrier = 0;  // Barrier: its number; Warp: the member mask
  uint32_t expects = 0;  // Barrier: thread count, 0 for all
};

struct FrameKey {
  int depth;
  const Code* code;
  auto operator<=>(const FrameKey&) const = default;
};

struct alignas(64) Warp {
  // What every handler touches.
  uint32_t mask = 0;       // lanes that execute; equals base_mask except under a guard
  uint32_t base_mask = 0;  // lanes of the current split
  char* frame = nullptr;
  uint64_t steps = 0;  // of the current split since it was picked
  uint64_t bytes_loaded = 0, bytes_stored = 0;
  uint64_t link_loaded = 0, link_stored = 0;
  Block* block = nullptr;
  Grid* grid = nullptr;
  char* shared = nullptr;
  uint64_t shared_size = 0;
  char* local = nullptr;  // of lane 0; the others follow at local_stride
  uint64_t local_stride = 0;
  uint64_t local_size = 0;   // what a thread may use of it
  uint32_t local_base = 0;   // where the current function's area starts
  const Inst* at = nullptr;  // the last instruction that may fail
  const Code* code = nullptr;
  uint64_t window_base = 0, window_size = 0;
  int64_t window_delta = 0;
  const std::atomic<uint8_t>* on_host = nullptr;

  int current = -1;        // index of the running split
  uint64_t slice_end = 0;  // steps until other splits, warps and blocks get their turn
  bool yielded = false;
  bool polling = false;  // since its turn began it did what programs do to wait for each other
  std::vector<Split> splits;
  std::vector<Meeting> meetings;
  std::vector<int> free_meetings;
  std::map<FrameKey, std::unique_ptr<char, void (*)(char*)>> frames;
  uint32_t alive = 0;
  unsigned index = 0;
  uint64_t instructions = 0;
  alignas(64) uint32_t tid[3][kLanes];
};

struct BarrierState {
  uint32_t arrived = 0;    // threads that wait
  uint32_t passed_by = 0;  // threads that came with bar.arrive
  uint32_t expects = 0;
  uint32_t reduced = 0;  // bar.red: count of true predicates
  uint32_t result = 0;   // of the last completed reduction
};

struct Block {
  Grid* grid = nullptr;
  Dim index;
  std::vector<Warp> warps;
  std::vector<char> shared, local;  // with slack for alignment
  BarrierState barriers[16];
  BulkCopies copies;
  uint32_t threads = 0;
  uint32_t alive = 0;   // threads that have not exited
  uint64_t serial = 0;  // changes when a barrier completes or a thread exits
  bool done() const { return alive == 0; }
};

struct Grid {
  const Code* code = nullptr;
  const Kernel* kernel = nullptr;
  const Launch* launch = nullptr;
  Window window;
  const char* params = nullptr;
  size_t param_bytes = 0;
  uint64_t shared_bytes = 0;
  uint64_t static_shared = 0;
  uint64_t id = 0;
  uint64_t ran = 0;  // warp instructions so far: the clock
  struct {           // what cooperative groups find through %envreg1:2
    uint32_t size = 8;
    uint32_t barrier = 0;
  } workspace;
  Outcome outcome = Outcome::Ok;
  uint64_t fault_address = 0;
  Warp* running = nullptr;
  std::string message;
};

Handler control_handler(const Inst& in);  // control.cpp; null: not a control operation

// splits.cpp. `next_split` saves nothing: the current split must be parked, removed or up to date.
const Inst* next_split(Warp& warp);  // turns to a runnable split; null: none
const Inst* diverge(Warp& warp, const Inst* meet, const Inst* const* targets, const uint32_t* masks,
                    int count);
const Inst* arrive(Warp& warp);  // the current split is at its meeting
int new_meeting(Warp& warp, const Meeting& meeting);
// The lanes will not come to `meeting`, nor to those around it up to `last` (exclusive; -1: all).
void leave_meetings(Warp& warp, int meeting, uint32_t mask, int last);
const Inst* lanes_exit(Warp& warp);
void park(Warp& warp, const Inst* pc, Wait wait);
void release_early(Warp& warp);  // nobody waits for lanes that spin
void recheck_warp_waits(Warp& warp);
char* frame_of(Warp& warp, int depth, const Code* code);
void flush_counts(Warp& warp);

// barrier.cpp
void check_barriers(Block& block);

// Runs until all splits of the warp wait or are gone, or its slice of time is over.
void run_warp(Warp& warp, uint64_t slice);

// Ends the grid with this outcome: leaves by a long jump to run().
[[noreturn]] void stop(Warp& warp, Outcome outcome, uint64_t address);

// A register of a lane.
template <class T>
T& lane_of(Warp& warp, uint32_t at, int lane) {
  return reinterpret_cast<T*>(warp.frame + at)[lane];
}

// An address that is none of the plain ones, or a value that is out of its space, as a host pointer
// for `lane`; ends the grid when there is nothing there.
uint64_t special_address(Warp& warp, uint64_t address, unsigned bytes, int lane);

}  // namespace sim::ptx
