// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace/registry.h"

#include <unistd.h>

#include "runtime/trace/recorder.h"

namespace spillway::trace {

namespace {
std::atomic<Registry*> current{nullptr};
}

Registry& registry() {
  Registry* now = current.load();
  if (now) return *now;
  auto* const made = new Registry;
  if (current.compare_exchange_strong(now, made)) return *made;
  delete made;
  return *now;
}

void forget_registry() noexcept {
  current.store(nullptr);
}

Ring* own_ring(std::atomic<Ring*>& place) noexcept {
  try {
    Registry& all = registry();
    Ring* const ring = Ring::make();
    if (!ring) return nullptr;
    ring->tid = static_cast<uint64_t>(gettid());
    std::lock_guard held(all.mutex);
    ring->slot = ++all.slots;
    ring->next = all.rings.load(std::memory_order_relaxed);
    all.rings.store(ring, std::memory_order_release);
    place.store(ring, std::memory_order_relaxed);
    return ring;
  } catch (...) {  // no memory: this thread tells nothing
    return nullptr;
  }
}

void ring_changes_hands(Ring& ring) noexcept {
  ring.tid = static_cast<uint64_t>(gettid());
  ring.append(now(), Thread{ring.tid});
}

uint64_t name(NameOf what, std::string_view text) noexcept {
  try {
    Registry& all = registry();
    std::lock_guard held(all.mutex);
    const auto [known, fresh] = all.numbers.try_emplace({what, std::string(text)}, 0);
    if (fresh) {
      all.names.emplace_back(what, text);
      known->second = all.names.size();
    }
    return known->second;
  } catch (...) {
    return 0;
  }
}

}  // namespace spillway::trace
