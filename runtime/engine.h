// SPDX-License-Identifier: Apache-2.0
// Everything that the Manager is made of, in one object per process, leaked on purpose.
//
// Locks, in the order in which they may be taken:
//   0. Engine::serving_: a device becomes known. Only where nothing else is held.
//   1. a device's token (Device::moving): a flag under the ledger, not a mutex; whoever has it may
//      call the driver's map, unmap, create and release, with no mutex held.
//   2. Engine::ledger: ranges, pieces' states, caches, pins. Never held across such a call.
//   3. Completion's, Layouts', accounts' mutexes: leaves.
#pragma once

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/policy.h"
#include "runtime/arena.h"
#include "runtime/arguments.h"
#include "runtime/backups.h"
#include "runtime/callers.h"
#include "runtime/chunks.h"
#include "runtime/completion.h"
#include "runtime/config.h"
#include "runtime/driver.h"
#include "runtime/examiner.h"
#include "runtime/foresight.h"
#include "runtime/hidden.h"
#include "runtime/range.h"
#include "runtime/stopwatch.h"

namespace spillway {

// A private stream of one context for one direction; non-blocking, so that the application's
// default stream never waits for it.
struct Lane {
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  std::vector<CUevent> spare;  // events of moves that are over
};
struct Lanes {
  Lane out, in;
};

// A copy of one piece that is under way.
struct Move {
  Piece* piece = nullptr;  // null: it was taken back meanwhile (Rescue), or could not be ended
  Cause cause = Cause::Pressure;
  CUdeviceptr address = 0;  // of the device's side, and how much
  uint64_t bytes = 0;
  CUevent event = nullptr;  // recorded behind the copy
  Lane* lane = nullptr;
  std::vector<Backup> backups;  // out: what it fills
  bool failed = false;          // the copy broke off: with it, most likely, the context
};

struct Request;  // mover_thread.h

// Lock-step: what carries the simulated driver's time between a caller and the mover.
struct Baton {
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  CUevent asked = nullptr, answered = nullptr;
};

struct Device {
  Device(const Driver& driver, int ordinal, uint64_t total, uint64_t limit, uint64_t host_limit,
         std::atomic<uint64_t>& host_held, const Config& config);

  // What our chunks may come to: the limit less what the application holds past us.
  uint64_t budget() const {
    const uint64_t others = external.load(std::memory_order_relaxed);
    const uint64_t most = limit.load(std::memory_order_relaxed);
    return most > others ? most - others : 0;
  }

  const int ordinal;
  const uint64_t total;
  const uint64_t piece_bytes;
  std::atomic<uint64_t> limit;
  std::atomic<uint64_t> external{0};  // passed-through allocations and the application's own VMM
  std::atomic<uint64_t> told_external{0};  // what the trace was told of it last

  // Ledger:
  bool moving = false;                  // the token
  bool pressed = false;                 // something had to leave: spare room is kept from now on
  std::atomic<uint64_t> live_bytes{0};  // spans of live ranges; read without the ledger
  uint64_t present_bytes = 0;           // of what was asked for in live ranges: on the device
  std::atomic<uint64_t> peak_present_bytes{0};  // read without the ledger
  std::vector<Range*> offers;                   // seams with a free side
  std::deque<Move> outs, ins;                   // added to and taken from with the token too
  std::deque<Request*> requests;
  bool proposes = false;            // the policy has moves for the mover
  std::deque<uint32_t> departures;  // pieces that it lets go, as soon as the lane has place
  std::condition_variable wake;     // of the mover thread
  std::map<CUcontext, Baton> batons;
  bool has_thread = false;
  bool parked = false;  // the process exits: the thread does nothing any more

  // Token; changed with the ledger too:
  std::vector<CUmemAccessDesc> access;  // who may use what is mapped: this device, then its peers
  // Token:
  ChunkPool chunks;
  BackupPool backups;
  Foresight foresight;
  std::map<CUcontext, Lanes> lanes;
  std::string limit_text;  // what SPILLWAY_LIMIT_FILE said last
};

struct Counters {  // for the summary; monotonic, relaxed
  std::atomic<uint64_t> allocations{0}, frees{0}, refused{0}, evictions{0}, fetches{0},
      moved_out_bytes{0}, moved_in_bytes{0}, in_place_launches{0}, rescues{0}, misses{0},
      data_stall_ns{0}, room_stall_ns{0};
};

// What a passed-through allocation occupies, so that its free can be accounted.
struct External {
  uint64_t bytes = 0;
  int device = 0;
  CUcontext context = nullptr;  // with which it dies; null: with nothing (VMM handles)
};

struct GraphUse {  // an executable graph: what a launch of it touches
  Subject subject;
  std::vector<Range*> ranges;
  std::vector<Range*> stills;  // named by nodes whose operands must not move
};

class Engine {
 public:
  static Engine* current() { return current_.load(std::memory_order_acquire); }
  static void make_current(Engine* engine) { current_.store(engine, std::memory_order_release); }

  Engine(const Driver& real, const Config& options)
      : driver(real),
        config(options),
        layouts(driver, config.trust_arguments == Trust::On),
        completion(driver, config.lockstep) {}

  static constexpr int kMaxDevices = 64;

  // The device of the current context. Null: no context, or the device cannot be served (said
  // once). No driver call while the thread stays in its context.
  Device* device();
  CUcontext context();  // the current one of such a device
  Device* device(int ordinal) { return devices_[ordinal].load(std::memory_order_acquire); }
  std::vector<Device*> devices();  // those that are served

  const Driver driver;
  const Config config;
  const pid_t owner = getpid();  // a forked child has this object, but not its threads
  Callers callers{config.exclude, config.trace_sites};
  Arena arena;
  Layouts layouts;
  Completion completion;
  Counters counters;
  uint64_t host_limit = 0;
  std::atomic<uint64_t> host_held{0};

  std::mutex ledger;
  std::condition_variable changed;  // a move ended, a token or a pin was given back
  // Guarded by the ledger:
  std::vector<Range*> ranges;                      // every object ever made; Life tells
  std::vector<Range*> dead;                        // objects to reuse
  std::map<uint64_t, std::vector<Range*>> cached;  // by span, oldest first
  std::unordered_map<CUgraphExec, GraphUse> graphs;
  uint64_t live_bytes = 0;                   // spans of live ranges, on all devices
  std::atomic<uint64_t> peak_live_bytes{0};  // read without the ledger
  uint64_t frees = 0;                        // numbers cached ranges
  Holds holds;
  Hidden hidden{holds};
  Examiner examiner{*this};
  Stopwatch stopwatch{driver};
  uint64_t buffer_ids = 0;
  uint32_t piece_ids = 0;
  bool said_exhausted = false;

  std::mutex accounts;
  std::map<CUdeviceptr, External> externals;  // guarded by accounts
  std::unordered_map<CUmemGenericAllocationHandle, External> application_handles;

 private:
  Device* serve_device(CUdevice ordinal);  // the first time

  static std::atomic<Engine*> current_;
  std::mutex serving_;
  std::atomic<Device*> devices_[kMaxDevices]{};
  bool refused_[kMaxDevices]{};  // ledger: said once that it cannot be served
};

// Launches look here without going through the engine pointer.
struct FastPath {
  std::atomic<bool> short_of_memory{false};  // something was evicted: markers at a cadence
  std::atomic<int> captures{0};              // in progress: a launch may be a recording
  std::atomic<bool> watched{false};          // a policy is told of launches
  std::atomic<bool> timed{false};            // and how long they take
};
extern FastPath fast_path;

}  // namespace spillway
