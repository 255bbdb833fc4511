// SPDX-License-Identifier: Apache-2.0
// The driver's own entry points that runtime/ calls: filled once by whoever starts the Manager
// (interpose/ in the product, a test directly), never looked up here. runtime/driver.def is the
// list.
//
// Contract: any of them may fail at any time; a null entry means that this driver lacks the
// function. None that allocates, frees, maps or unmaps is called while a lock of ours is held,
// because communication libraries patch those inside the driver and call back into our exports.
#pragma once

#include <cuda.h>

namespace spillway {

struct Driver {
#define DRIVER(symbol) decltype(&::symbol) symbol = nullptr;
#include "runtime/driver.def"
#undef DRIVER
};

// Calls set(name, slot) for every entry; `slot` is where the resolved address goes.
template <class Set>
void for_each_entry(Driver& driver, Set&& set) {
#define DRIVER(symbol) set(#symbol, reinterpret_cast<void**>(&driver.symbol));
#include "runtime/driver.def"
#undef DRIVER
}

}  // namespace spillway
