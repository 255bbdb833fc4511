// SPDX-License-Identifier: Apache-2.0
// From the driver's own functions to our bodies and back. Built from interpose/hooks.def when an
// application first reaches for the driver; a process that never does has none.
#pragma once

#include <cuda.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "interpose/hooks.h"
#include "runtime/driver.h"

namespace spillway {

// A row of the table, by the symbol's name.
enum class Row : uint16_t {
#define HOOK(symbol, why) symbol,
#define PASS(symbol, why) symbol,
#define PIN(symbol, why) symbol,
#define REFUSE(symbol, answer, why) symbol,
#include "interpose/hooks.def"
#undef HOOK
#undef PASS
#undef PIN
#undef REFUSE
};

// Which meaning of the null stream a look-up asked for.
enum class StreamFlavour { Unknown, Legacy, PerThread };

struct Routes {
  std::array<void*, kHooks.size()> real{};  // by Row; null: this driver lacks it
  Driver driver;                            // what runtime/ calls

  // Our body for the driver's function at `found`, which the application knows as `name` (with or
  // without version and stream suffix). Null when it is not intercepted. Says so once when it
  // should be and the table does not know it.
  void* body_for(const void* found, std::string_view name, StreamFlavour flavour) const noexcept;
  // Whether the driver has a function of exactly this symbol that we intercept.
  bool has(std::string_view symbol) const noexcept;

  explicit Routes(void* libcuda) noexcept;

 private:
  static constexpr size_t kSlots = 2048;  // open addressing, a third full
  std::array<uint16_t, kSlots> slots_{};  // row + 1; 0: empty
};
static_assert(kHooks.size() < 1024, "kSlots wants to grow with the table");

inline constinit std::atomic<const Routes*> g_routes{nullptr};
const Routes* find_routes() noexcept;

// Null while libcuda is not loaded. Lock-free; never null again once it was not.
inline const Routes* routes() noexcept {
  const Routes* routes = g_routes.load(std::memory_order_acquire);
  return routes != nullptr ? routes : find_routes();
}

// The same, for sources without a sanitizer's instrumentation: it would not see what they wait for.
const Routes* seen_routes() noexcept;

// The driver's own function; null if it has none.
template <class Function>
Function real(Row row) noexcept {
  const Routes* known = routes();
  if (known == nullptr) [[unlikely]]
    return nullptr;
  return reinterpret_cast<Function>(known->real[static_cast<size_t>(row)]);
}

}  // namespace spillway
