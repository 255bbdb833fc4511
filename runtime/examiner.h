// SPDX-License-Identifier: Apache-2.0
// What kernels store. No call of the driver shows it, so the first launches of every kernel are
// followed, in their stream, by a kernel of ours that reads the memory which the arguments name and
// reports the addresses of ranges in it (find_addresses.ptx.h). A kernel that stored none in two
// launches is taken to store none ever; one that did is followed at every launch. What the
// arguments name stays where it is until the report is in, and what an address in memory leads to
// is held still from then on, like one that the host put there (hidden.h).
//
// A kernel can only store an address that it was given, by an argument or by memory that an
// argument leads to: a word that looks like another address is a number.
#pragma once

#include <cuda.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/access.h"
#include "runtime/arguments.h"
#include "runtime/hidden.h"
#include "runtime/range.h"

namespace spillway {

class Engine;

// What follows a launch: kernels of whose stores too little is known, and what their arguments may
// name beside ranges (any word of them).
struct Subject {
  std::vector<std::shared_ptr<const Layout>> kernels;
  std::vector<CUdeviceptr> words;
};

class Examiner {
 public:
  explicit Examiner(Engine& engine) : engine_(engine) {}

  // Before the launch, while nothing is pinned yet: what the current context needs for it is made,
  // and the driver allocates for that.
  void prepare() noexcept;
  // Right behind the launch, while its ranges are pinned. May wait for an earlier report when very
  // many are on their way; where none of those comes, what the kernel stores stays unknown. Where a
  // context cannot run our kernel, its kernels are trusted, and the log says so once.
  void follow(StreamRef stream, const Subject& subject, std::span<Range* const> ranges) noexcept;
  // Takes in the reports that are there. `wait`: one at least. False: there was none.
  bool settle(bool wait) noexcept;
  uint64_t taken_in() const noexcept { return taken_in_.load(); }  // reports so far
  bool expects() noexcept;                                         // some are on their way
  // Its work is over, and it is about to end.
  void context_gone(CUcontext context) noexcept;

 private:
  struct Region {
    CUdeviceptr begin = 0;
    uint64_t bytes = 0;
  };
  struct Target {
    Range* range = nullptr;
    uint64_t life = 0;
    CUdeviceptr base = 0;  // of that life, which may be over when the report is in
    uint64_t bytes = 0;
  };
  struct Report;
  struct Slot {  // one report, in pinned memory that the device writes to
    Report* report = nullptr;
    CUevent event = nullptr;
  };
  struct Kit {                    // what a context needs for it
    CUfunction kernel = nullptr;  // null: it cannot be had
    std::vector<Slot> spare;
  };
  struct Pending {
    CUcontext context = nullptr;
    Slot slot;
    std::vector<std::shared_ptr<const Layout>> kernels;
    std::vector<Target> named;    // by arguments; held until the report is in
    std::vector<Target> reached;  // from memory that these lead to
    std::vector<Region> regions;  // that were read
    Hidden::Watch watch;          // what was overwritten, copied and put meanwhile
    CUresult result = CUDA_ERROR_NOT_READY;
  };

  Kit* kit_of(CUcontext context) noexcept;  // null: not prepared
  Kit make_kit() noexcept;
  bool take_slot(Kit& kit, Slot* out) noexcept;
  void gather(const Held& held, const Subject& subject, std::span<Range* const> ranges,
              Pending& out);
  bool submit(StreamRef stream, CUfunction kernel, const Pending& pending) noexcept;
  bool settle_oldest() noexcept;  // waits for it
  bool settle_what_is_there(bool all) noexcept;
  void take_in(Pending& pending, CUresult result) noexcept;
  // The report is in; null: there is none.
  void learn(const Held& held, Pending& pending, const Report* report);

  Engine& engine_;
  std::atomic<uint64_t> taken_in_{0};
  std::mutex settling_;  // whoever takes in reports; before the ledger. Only queries and waits.
  std::mutex mutex_;     // a leaf: what follows
  std::map<CUcontext, Kit> kits_;
  std::deque<std::unique_ptr<Pending>> pending_;  // oldest first
};

}  // namespace spillway
