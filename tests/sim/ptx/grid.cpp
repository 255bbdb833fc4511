// SPDX-License-Identifier: Apache-2.0
// run(): blocks one after another (a cooperative grid: all at once, in turns), warps in turns.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "tests/sim/ptx/fault.h"
#include "tests/sim/ptx/module.h"
#include "tests/sim/ptx/warp.h"

namespace sim::ptx {
namespace {

// Warp instructions until the next warp has its turn although this one could go on. Long enough
// that loops run undisturbed, short enough that waiting for another warp's store is cheap.
constexpr uint64_t kSlice = 20000;

struct Run {
  Grid grid;
  std::deque<Block> blocks;  // deque: warps point at their block
};

char* aligned(std::vector<char>& bytes) {
  const auto at = reinterpret_cast<uintptr_t>(bytes.data());
  return bytes.data() + (-at & 127);
}

void make_block(Run& run, Block& block) {
  Grid& grid = run.grid;
  const Launch& launch = *grid.launch;
  block.grid = &grid;
  block.threads = launch.block.x * launch.block.y * launch.block.z;
  const unsigned warps = (block.threads + kLanes - 1) / kLanes;
  const size_t local = grid.kernel->stack_bytes;
  // Lanes a cache line apart more than the area: the same offset of all lanes then lies in many
  // sets.
  const size_t stride = local ? local + 64 : 0;
  block.shared.resize(grid.shared_bytes + 256);
  block.local.resize(stride * kLanes * warps + 256);
  block.warps = std::vector<Warp>(warps);
  for (unsigned i = 0; i < warps; ++i) {
    Warp& w = block.warps[i];
    w.block = &block;
    w.grid = &grid;
    w.index = i;
    w.shared = aligned(block.shared);
    w.shared_size = grid.shared_bytes;
    w.local = aligned(block.local) + stride * kLanes * i;
    w.local_stride = stride;
    w.local_size = local;
    w.window_base = grid.window.base;
    w.window_size = grid.window.size;
    w.window_delta = grid.window.delta;
    w.on_host = grid.window.on_host;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned t = i * kLanes + lane;
      w.tid[0][lane] = t % launch.block.x;
      w.tid[1][lane] = t / launch.block.x % launch.block.y;
      w.tid[2][lane] = t / launch.block.x / launch.block.y;
    }
    w.splits.reserve(kLanes * 2);
    w.meetings.reserve(kLanes * 2);
    frame_of(w, 0, grid.code);
  }
}

void start_block(Run& run, Block& block, Dim index) {
  block.index = index;
  block.alive = block.threads;
  for (BarrierState& b : block.barriers) b = {};
  block.copies.clear();
  for (Warp& w : block.warps) {
    const unsigned left = block.threads - w.index * kLanes;
    w.alive = left >= kLanes ? ~0u : (1u << left) - 1;
    w.splits.clear();
    w.meetings.clear();
    w.free_meetings.clear();
    w.current = -1;
    Split s;
    s.pc = run.grid.code->insts.data();
    s.mask = w.alive;
    s.code = run.grid.code;
    s.frame = frame_of(w, 0, run.grid.code);
    w.splits.push_back(s);
  }
}

// One turn of each warp. False: nothing moved, so nothing ever will.
bool turn(Run& run, Block& block) {
  bool moved = false;
  for (Warp& w : block.warps) {
    if (!w.alive) continue;
    const uint64_t before = run.grid.ran, serial = block.serial;
    run.grid.running = &w;
    run_warp(w, kSlice);
    moved |= run.grid.ran != before || block.serial != serial || w.yielded;
  }
  if (moved) return true;
  // Lanes that wait for their warp to be whole again may be those that a barrier needs.
  for (Warp& w : block.warps) {
    const size_t before = w.splits.size();
    release_early(w);
    moved |= w.splits.size() != before;
  }
  return moved;
}

Dim position(const Dim& grid, uint64_t n) {
  return {static_cast<unsigned>(n % grid.x), static_cast<unsigned>(n / grid.x % grid.y),
          static_cast<unsigned>(n / grid.x / grid.y)};
}

// Owns nothing: a fault leaves it by a long jump.
void body(void* argument) {
  Run& run = *static_cast<Run*>(argument);
  const Dim& grid = run.grid.launch->grid;
  const uint64_t count = uint64_t{grid.x} * grid.y * grid.z;
  if (!run.grid.launch->cooperative) {
    Block& block = run.blocks.front();
    for (uint64_t n = 0; n < count; ++n) {
      start_block(run, block, position(grid, n));
      while (block.alive) {
        if (!turn(run, block)) stop(block.warps.front(), Outcome::BarrierError, 0);
      }
      finish_copies(block);
    }
    return;
  }
  for (uint64_t n = 0; n < count; ++n) start_block(run, run.blocks[n], position(grid, n));
  for (bool alive = true; alive;) {
    alive = false;
    bool moved = false;
    for (Block& block : run.blocks) {
      if (!block.alive) continue;
      moved |= turn(run, block);
      if (!block.alive) finish_copies(block);
      alive |= block.alive != 0;
    }
    if (alive && !moved) stop(run.blocks.front().warps.front(), Outcome::BarrierError, 0);
  }
}

std::string_view words(Outcome outcome) {
  switch (outcome) {
    case Outcome::Ok:
      return "ok";
    case Outcome::IllegalAddress:
      return "illegal address";
    case Outcome::IllegalInstruction:
      return "illegal instruction";
    case Outcome::Trap:
      return "trap";
    case Outcome::Misaligned:
      return "misaligned address";
    case Outcome::BarrierError:
      return "threads wait for each other for ever";
  }
  return "";
}

void describe(const Run& run, Result* result) {
  const Grid& grid = run.grid;
  result->message = fmt::format("{}: {}", grid.kernel->info.name, words(result->outcome));
  if (result->outcome == Outcome::IllegalAddress || result->outcome == Outcome::Misaligned)
    result->message += fmt::format(" {:#x}", result->address);
  const Warp* w = grid.running;
  if (w && w->at && w->code && result->outcome != Outcome::BarrierError) {
    const Inst* first = w->code->insts.data();
    const auto index = static_cast<size_t>(w->at - first);
    if (w->at >= first && index < w->code->insts.size())
      result->message += fmt::format(
          " at line {}: {} (block {},{},{}, warp {}{}{})", w->code->lines[index],
          w->code->texts[index], w->block->index.x, w->block->index.y, w->block->index.z, w->index,
          w->code->entry ? "" : ", in ", w->code->entry ? "" : w->code->name);
  }
  if (!grid.message.empty()) result->message += ": " + grid.message;
}

}  // namespace

void stop(Warp& warp, Outcome outcome, uint64_t address) {
  warp.grid->outcome = outcome;
  leave_guarded(address);
}

uint64_t special_address(Warp& w, uint64_t address, unsigned bytes, int lane) {
  auto inside = [&](uint64_t window, uint64_t size) {
    const uint64_t offset = address - window;
    return offset < kWindowSize && size >= bytes && offset <= size - bytes;
  };
  if (inside(kSharedWindow, w.shared_size))
    return reinterpret_cast<uint64_t>(w.shared) + (address - kSharedWindow);
  if (inside(kLocalWindow, w.local_size))
    return reinterpret_cast<uint64_t>(w.local) + static_cast<uint64_t>(lane) * w.local_stride +
           (address - kLocalWindow);
  if (inside(kParamWindow, w.grid->param_bytes))
    return reinterpret_cast<uint64_t>(w.grid->params) + (address - kParamWindow);
  stop(w, Outcome::IllegalAddress, address);
}

Result run(const Kernel& kernel, const Launch& launch, const Window& window) {
  static std::atomic<uint64_t> next_id{1};
  Result result;
  if (!kernel.refused.empty()) {
    result.outcome = Outcome::IllegalInstruction;
    result.message = kernel.refused;
    return result;
  }
  Run run;
  Grid& grid = run.grid;
  grid.kernel = &kernel;
  grid.code = kernel.code;
  grid.launch = &launch;
  grid.window = window;
  // A copy: wide loads may look at the padding, and the caller's block may be unaligned.
  std::vector<uint64_t> params(kernel.info.param_bytes / 8 + 4);
  if (launch.params && kernel.info.param_bytes)
    std::memcpy(params.data(), launch.params, kernel.info.param_bytes);
  grid.params = reinterpret_cast<const char*>(params.data());
  grid.param_bytes = kernel.info.param_bytes;
  grid.static_shared = kernel.static_shared;
  grid.shared_bytes = launch.dynamic_shared_bytes ? kernel.dynamic_at + launch.dynamic_shared_bytes
                                                  : kernel.static_shared;
  grid.id = next_id.fetch_add(1, std::memory_order_relaxed);
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const uint64_t threads = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  if (blocks == 0 || threads == 0) return result;
  for (uint64_t n = launch.cooperative ? blocks : 1; n--;) {
    run.blocks.emplace_back();
    make_block(run, run.blocks.back());
  }
  uint64_t address = 0;
  if (!run_guarded(body, &run, &address)) {
    result.outcome = grid.outcome == Outcome::Ok ? Outcome::IllegalAddress : grid.outcome;
    // A signal names a host address; what stop() gives is a device address already.
    const uint64_t device = address - static_cast<uint64_t>(window.delta);
    result.address =
        grid.outcome == Outcome::Ok && device - window.base < window.size ? device : address;
    if (grid.running) flush_counts(*grid.running);
    describe(run, &result);
  }
  for (Block& block : run.blocks) {
    for (Warp& w : block.warps) {
      result.counts.instructions += w.instructions;
      result.counts.bytes_loaded += w.bytes_loaded;
      result.counts.bytes_stored += w.bytes_stored;
      result.counts.link_loaded += w.link_loaded;
      result.counts.link_stored += w.link_stored;
    }
  }
  return result;
}

}  // namespace sim::ptx
