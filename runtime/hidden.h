// SPDX-License-Identifier: Apache-2.0
// Addresses of ranges that are in memory themselves, where no launch shows them: a table of
// pointers, a linked list, a module's variable, a texture. A kernel may follow one at any time, so
// the range it leads to is held still until every holder of such an address is overwritten, freed
// or destroyed. Everything here is guarded by the engine's ledger.
#pragma once

#include <cuda.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/access.h"
#include "runtime/range.h"
#include "runtime/rewrite.h"

namespace spillway {

class Engine;
using Held = std::unique_lock<std::mutex>;

// Why, and how often, ranges are held still. Range::still shows which counts are not zero.
class Holds {
 public:
  void add(const Held& held, Range& range, PinReason reason, uint64_t count = 1);
  // `life`: of the range when it was held; what has died since is held no more. The last one to
  // let go notes everything submitted so far as a use of the range, for who knows what followed
  // the address.
  void drop(Engine& engine, const Held& held, Range& range, uint64_t life, PinReason reason,
            uint64_t count = 1);
  void died(const Held& held, Range& range);
  uint64_t bytes(const Held& held, PinReason reason, int device) const;

 private:
  struct Counts {
    uint64_t life = 0;  // Range::buffer_id
    std::array<uint64_t, kPinReasons> by_reason{};
  };
  std::unordered_map<Range*, Counts> counts_;
};

// The addresses in memory, and where they lead.
class Hidden {
 public:
  explicit Hidden(Holds& holds) : holds_(holds) {}

  // Read without the ledger: a copy or set need not ask what it overwrites when nothing is known.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  struct Word {
    CUdeviceptr holder = 0;  // where the address lies
    CUdeviceptr target = 0;
    Range* range = nullptr;  // in which the target lies; of that life
    uint64_t life = 0;
  };

  // The holders are there from now on, instead of what was at the same places. Each target must
  // have been held once for each of its words.
  void put(Engine& engine, const Held& held, const std::vector<Word>& words);
  // What lies wholly in [begin, begin + bytes) is overwritten or gone.
  void wipe(Engine& engine, const Held& held, CUdeviceptr begin, uint64_t bytes);
  // Words in the interval, as a copy of it would have them at `to`.
  void copied(const Held& held, CUdeviceptr begin, uint64_t bytes, CUdeviceptr to,
              std::vector<Word>& out) const;
  bool empty(const Held& held, CUdeviceptr begin, uint64_t bytes) const;

  // Objects of the driver that keep an address.
  enum class Kind : uint8_t { Texture, TextureReference, Handle, Multicast, Synchronous };
  void put_object(const Held& held, Kind kind, uint64_t object, Range& range, PinReason reason);
  void wipe_object(Engine& engine, const Held& held, Kind kind, uint64_t object);
  // Once more, for as long as the range lives: somebody got hold of it through the object.
  void keep_object(const Held& held, Kind kind, uint64_t object);

  // Variables of modules: what lies in them goes with the module.
  void variable(const Held& held, const void* module, CUdeviceptr address, uint64_t bytes);
  void unloaded(Engine& engine, const Held& held, const void* module);

  // What the copy nodes of executable graphs put into memory at every launch.
  std::unordered_map<CUgraphExec, std::vector<Rewrite>> graph_rewrites;

 private:
  struct Object {
    Range* range = nullptr;
    uint64_t life = 0;
    PinReason reason = PinReason::Hidden;
  };

  Holds& holds_;
  std::atomic<bool> any_{false};
  std::map<CUdeviceptr, Word> words_;  // by holder
  std::multimap<std::pair<Kind, uint64_t>, Object> objects_;
  std::unordered_map<const void*, std::map<CUdeviceptr, uint64_t>> variables_;
};

// A range's life ends, in both of its roles.
void forget_hidden(Engine& engine, const Held& held, Range& range) noexcept;

}  // namespace spillway
