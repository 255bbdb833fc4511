// SPDX-License-Identifier: Apache-2.0
// Several devices in one process. The driver opens memory that is mapped by hand to the devices
// that are named at each mapping, and to no other: cuCtxEnablePeerAccess does not reach it, nor
// does a plain copy between devices. So, with a second device, what is mapped on one is opened to
// each that can reach it, now and at every later mapping. A device is known from its first stream
// (Completion::resolve) or use of a range (acquire) on, for it may run kernels and allocate
// nothing. Where no device can reach another one, Manager::out_of_reach tells that a copy must name
// both contexts.
#pragma once

#include "runtime/engine.h"

namespace spillway {

// A device was added: opens the others' ranges to it and its own to the others. Without the ledger.
void introduce(Engine& engine, Device& fresh) noexcept;

}  // namespace spillway
