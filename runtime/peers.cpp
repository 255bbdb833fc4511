// SPDX-License-Identifier: Apache-2.0
#include "runtime/peers.h"

#include "runtime/errors.h"
#include "runtime/log.h"
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
    if (range->life != Life::Dead && range->device == home.ordinal)
      for (const Piece& piece : range->pieces)
        if (is_mapped(piece)) mapped.push_back(&piece);
  // With the token nothing is unmapped, dropped or mapped anew meanwhile.
  Unlocked open(held);
  for (const Piece* piece : mapped) {
    const CUresult result = engine.driver.cuMemSetAccess(address_of(*piece), piece->bytes,
                                                         home.access.data(), home.access.size());
    if (result == CUDA_SUCCESS) continue;
    log(LogLevel::Warn, "device {} cannot use memory of device {}: cuMemSetAccess failed: {}",
        guest.ordinal, home.ordinal, error_name(engine.driver, result));
    home.access.pop_back();
    return;
  }
}

}  // namespace

void introduce(Engine& engine, Device& fresh) noexcept {
  RelaxedCapture relaxed(engine.driver);
  for (Device* other : engine.devices()) {
    if (other == &fresh) continue;
    if (can_reach(engine.driver, *other, fresh)) open_to(engine, fresh, *other);
    if (can_reach(engine.driver, fresh, *other)) open_to(engine, *other, fresh);
  }
}

}  // namespace spillway
