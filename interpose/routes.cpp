// SPDX-License-Identifier: Apache-2.0
#include "interpose/routes.h"

#include <dlfcn.h>

#include <algorithm>
#include <memory>
#include <new>

#include "interpose/dlsym.h"
#include "runtime/log.h"

namespace spillway {
namespace {

// A row without a body does not link.
void* const kBodies[] = {
#define HOOK(symbol, why) reinterpret_cast<void*>(&::symbol),
#define PASS(symbol, why) nullptr,
#define PIN(symbol, why) reinterpret_cast<void*>(&::symbol),
#define REFUSE(symbol, answer, why) reinterpret_cast<void*>(&::symbol),
#include "interpose/hooks.def"
#undef HOOK
#undef PASS
#undef PIN
#undef REFUSE
};

// The names by Row, as one text and where in it each begins: an array of pointers would be
// thousands of words for the dynamic linker to relocate whenever any program starts.
constexpr char kNames[] =
#define HOOK(symbol, why) #symbol "\0"
#define PASS(symbol, why) #symbol "\0"
#define PIN(symbol, why) #symbol "\0"
#define REFUSE(symbol, answer, why) #symbol "\0"
#include "interpose/hooks.def"
#undef HOOK
#undef PASS
#undef PIN
#undef REFUSE
    ;
static_assert(sizeof kNames <= UINT16_MAX);

constexpr auto kNameBegins = [] {
  std::array<uint16_t, kHooks.size() + 1> begins{};
  for (size_t row = 0; row < kHooks.size(); ++row) {
    begins[row + 1] = static_cast<uint16_t>(begins[row] + kHooks[row].symbol.size() + 1);
  }
  return begins;
}();

// Zero-terminated.
constexpr std::string_view name_of(size_t row) noexcept {
  return {kNames + kNameBegins[row], kNameBegins[row + 1] - kNameBegins[row] - 1u};
}

size_t slot_of(const void* address, size_t slots) noexcept {
  return (reinterpret_cast<uintptr_t>(address) * 0x9e3779b97f4a7c15U >> 32) % slots;
}

struct Spelling {
  std::string_view base;  // cuMemAlloc of cuMemAlloc_v2_ptds
  StreamFlavour flavour;
};

constexpr Spelling spell(std::string_view symbol) noexcept {
  Spelling spelling{symbol, StreamFlavour::Legacy};
  if (symbol.ends_with("_ptsz") || symbol.ends_with("_ptds")) {
    spelling.flavour = StreamFlavour::PerThread;
    symbol.remove_suffix(5);
  }
  if (symbol.size() > 3 && symbol[symbol.size() - 3] == '_' && symbol[symbol.size() - 2] == 'v') {
    symbol.remove_suffix(3);
  }
  spelling.base = symbol;
  return spelling;
}

// Functions that allocate, use or move memory all begin like this.
constexpr std::string_view kTracked[] = {"cuMem",
                                         "cuLaunch",
                                         "cuGraph",
                                         "cuIpc",
                                         "cuMulticast",
                                         "cuStreamWaitValue",
                                         "cuStreamWriteValue",
                                         "cuStreamBatch",
                                         "cuPointer",
                                         "cuTexObjectCreate"};

bool is_tracked(std::string_view name) noexcept {
  return !name.starts_with("cuGraphics") &&
         std::ranges::any_of(kTracked, [name](auto prefix) { return name.starts_with(prefix); });
}

// True for the first of equal names; when more names come than it can remember, they stay unsaid.
bool first_time(std::string_view name) noexcept {
  static constinit std::atomic<uint64_t> seen[64]{};
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash |= 1;
  for (auto& entry : seen) {
    uint64_t empty = 0;
    if (entry.compare_exchange_strong(empty, hash, std::memory_order_relaxed)) return true;
    if (empty == hash) return false;
  }
  return false;
}

}  // namespace

Routes::Routes(void* libcuda) noexcept {
  for (size_t row = 0; row < kHooks.size(); ++row) {
    real[row] = real_dlsym(libcuda, name_of(row).data());
    if (real[row] == nullptr) continue;
    size_t slot = slot_of(real[row], kSlots);
    while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
    slots_[slot] = static_cast<uint16_t>(row + 1);
  }
  for_each_entry(driver,
                 [libcuda](const char* name, void** entry) { *entry = real_dlsym(libcuda, name); });
}

void* Routes::body_for(const void* found, std::string_view name,
                       StreamFlavour flavour) const noexcept {
  // Two rows may share an address when the driver's own functions do: then the name decides.
  size_t best = kHooks.size();
  int best_fit = -1;
  for (size_t slot = slot_of(found, kSlots); slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    const size_t row = slots_[slot] - 1u;
    if (real[row] != found) continue;
    const Spelling spelling = spell(name_of(row));
    const int fit = name_of(row) == name          ? 3
                    : spelling.base != name       ? 0
                    : spelling.flavour == flavour ? 2
                                                  : 1;
    if (fit > best_fit) {
      best = row;
      best_fit = fit;
    }
  }
  if (best_fit >= 0) return kBodies[best];
  if (is_tracked(name) && first_time(name)) {
    log(LogLevel::Warn,
        "the driver's {} is newer than this Spillway and passes unseen: memory it names may be "
        "moved while it is used",
        name);
  }
  return nullptr;
}

bool Routes::has(std::string_view symbol) const noexcept {
  for (size_t row = 0; row < kHooks.size(); ++row) {
    if (name_of(row) == symbol) return real[row] != nullptr && kBodies[row] != nullptr;
  }
  return false;
}

// Several threads may build a table at once; one is kept. Nobody waits, so a fork in the middle
// leaves nothing behind that the child could wait for.
const Routes* find_routes() noexcept {
  // By its soname, and only if it is loaded: to load the driver is the application's decision. The
  // reference is kept, so that the addresses outlive the application's own dlclose.
  void* libcuda = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (libcuda == nullptr) return nullptr;
  auto* fresh = new (std::nothrow) Routes(libcuda);
  if (fresh == nullptr) return nullptr;
  const Routes* kept = nullptr;
  if (g_routes.compare_exchange_strong(kept, fresh, std::memory_order_acq_rel)) return fresh;
  delete fresh;
  return kept;
}

const Routes* seen_routes() noexcept {
  return routes();
}

}  // namespace spillway
