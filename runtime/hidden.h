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
  // `used`: false where nobody can have.
  void drop(Engine& engine, const Held& held, Range& range, uint64_t life, PinReason reason,
            uint64_t count = 1, bool used = true);
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
    bool stored = false;  // by a kernel
    uint64_t since = 0;   // when it was put
  };

  // The holders are there from now on, instead of what was at the same places. Each target must
  // have been held once for each of its words.
  void put(Engine& engine, const Held& held, const std::vector<Word>& words);
  // What lies wholly in [begin, begin + bytes) is overwritten or gone.
  void wipe(Engine& engine, const Held& held, CUdeviceptr begin, uint64_t bytes);
  // Words in the interval, as a copy of it would have them at `to`.
  void copied(const Held& held, CUdeviceptr begin, uint64_t bytes, CUdeviceptr to,
              std::vector<Word>& out) const;
  bool knows(const Held& held, const Word& word) const;
  template <class Visit>  // visit(Range&, life): where the words in the interval lead
  void for_each_target(const Held&, CUdeviceptr begin, uint64_t bytes, Visit&& visit) const {
    for (auto each = words_.lower_bound(begin); each != words_.end() && each->first < begin + bytes;
         ++each)
      visit(*each->second.range, each->second.life);
  }

  // What happens to words while a report on memory is on its way.
  struct Watch {
    struct Event {
      enum class Kind : uint8_t { Wiped, Copied } kind;  // what is put wipes first
      CUdeviceptr begin;
      uint64_t bytes;
      CUdeviceptr to;  // Copied
    };
    std::vector<Event> events;
    uint64_t since = 0;
  };
  void watch(const Held& held, Watch& watch);
  void unwatch(const Held& held, Watch& watch);
  // What lies in the interval has been copied; after what it overwrote was wiped.
  void moved(const Held& held, CUdeviceptr begin, uint64_t bytes, CUdeviceptr to);
  // Words as they were when the watch began, as they are now.
  static void replay(const Watch& watch, std::vector<Word>& words);
  // A report on the interval found these words: what a kernel had stored there before is gone.
  void not_there(Engine& engine, const Held& held, CUdeviceptr begin, uint64_t bytes,
                 const std::vector<Word>& found, const Watch& watch);

  // Objects of the driver that keep an address.
  enum class Kind : uint8_t { Texture, TextureReference, Handle, Multicast, Synchronous };
  void put_object(const Held& held, Kind kind, uint64_t object, Range& range, PinReason reason);
  void wipe_object(Engine& engine, const Held& held, Kind kind, uint64_t object);
  // Once more, for as long as the range lives: somebody got hold of it through the object.
  void keep_object(const Held& held, Kind kind, uint64_t object);

  // Variables of modules: what lies in them goes with the module.
  void variable(const Held& held, const void* module, CUcontext context, CUdeviceptr address,
                uint64_t bytes);
  void unloaded(Engine& engine, const Held& held, const void* module);
  template <class Visit>  // visit(address, bytes): of one context
  void for_each_variable(const Held&, CUcontext context, Visit&& visit) const {
    for (const auto& [module, variables] : variables_)
      for (const auto& [address, variable] : variables)
        if (variable.context == context) visit(address, variable.bytes);
  }

  // What the copy nodes of executable graphs put into memory at every launch.
  std::unordered_map<CUgraphExec, std::vector<Rewrite>> graph_rewrites;

 private:
  struct Object {
    Range* range = nullptr;
    uint64_t life = 0;
    PinReason reason = PinReason::Hidden;
  };

  void note(Watch::Event event) {
    for (Watch* watch : watches_) watch->events.push_back(event);
  }
  void update_any() { any_.store(!words_.empty() || !watches_.empty(), std::memory_order_relaxed); }

  Holds& holds_;
  std::atomic<bool> any_{false};
  std::vector<Watch*> watches_;
  uint64_t puts_ = 0;
  std::map<CUdeviceptr, Word> words_;  // by holder
  std::multimap<std::pair<Kind, uint64_t>, Object> objects_;
  struct Variable {
    uint64_t bytes = 0;
    CUcontext context = nullptr;
  };
  std::unordered_map<const void*, std::map<CUdeviceptr, Variable>> variables_;
};

// A range's life ends, in both of its roles.
void forget_hidden(Engine& engine, const Held& held, Range& range) noexcept;

}  // namespace spillway
