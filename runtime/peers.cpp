// SPDX-License-Identifier: Apache-2.0
#include "runtime/peers.h"

#include <algorithm>

#include "runtime/errors.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/manager.h"
#include "runtime/mapping.h"
#include "runtime/room.h"

namespace spillway {

namespace {

bool can_reach(const Driver& driver, const Device& from, const Device& to) {
  int can = 0;
  return driver.cuDeviceCanAccessPeer &&
         driver.cuDeviceCanAccessPeer(&can, from.ordinal, to.ordinal) == CUDA_SUCCESS && can;
}

// Something of the piece is mapped: chunks, or in place its backup.
bool is_mapped(const Piece& piece) {
  return piece.residency == Residency::Host ? piece.mapped : facts(piece.residency).on_chunks;
}

// Opens what is mapped on `home`, and will be, to `guest`.
void open_to(Engine& engine, Device& home, const Device& guest) {
  Held held(engine.ledger);
  Token token(engine, home, held);
  home.access.push_back(
      {{CU_MEM_LOCATION_TYPE_DEVICE, guest.ordinal}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
  std::vector<const Piece*> mapped;
  for (const Range* range : engine.ranges)
    if (range->device == home.ordinal)  // whatever its life: one that is being made has none yet
      for (const Piece& piece : range->pieces)
        if (is_mapped(piece)) mapped.push_back(&piece);
  CUresult result = CUDA_SUCCESS;
  {
    // With the token nothing is unmapped, dropped or mapped anew meanwhile.
    Unlocked open(held);
    for (auto piece = mapped.begin(); piece != mapped.end() && result == CUDA_SUCCESS; ++piece)
      result = engine.driver.cuMemSetAccess(address_of(**piece), (*piece)->bytes,
                                            home.access.data(), home.access.size());
  }
  if (result == CUDA_SUCCESS) return;
  log(LogLevel::Warn, "device {} cannot use memory of device {}: cuMemSetAccess failed: {}",
      guest.ordinal, home.ordinal, error_name(engine.driver, result));
  home.access.pop_back();
}

}  // namespace

bool Manager::out_of_reach(CUdeviceptr to, CUdeviceptr from, Ends* ends) noexcept {
  if (!serves(to) && !serves(from)) return false;
  const Device* here = engine_.device();
  if (!here) return false;
  bool reached = true;
  const auto context_of = [&](CUdeviceptr address) -> CUcontext {
    {
      Held held(engine_.ledger);
      if (const Range* range = find_live(engine_, held, address)) {
        const auto& open = engine_.device(range->device)->access;
        reached &= std::ranges::any_of(
            open, [&](const auto& each) { return each.location.id == here->ordinal; });
        return range->context;
      }
    }
    CUcontext context = nullptr;
    engine_.driver.cuPointerGetAttribute(&context, CU_POINTER_ATTRIBUTE_CONTEXT, address);
    return context;
  };
  *ends = {context_of(to), context_of(from)};
  return !reached && ends->to && ends->from;
}

void introduce(Engine& engine, Device& fresh) noexcept {
  for (Device* other : engine.devices()) {
    if (other == &fresh) continue;
    if (can_reach(engine.driver, *other, fresh)) open_to(engine, fresh, *other);
    if (can_reach(engine.driver, fresh, *other)) open_to(engine, *other, fresh);
  }
}

}  // namespace spillway
