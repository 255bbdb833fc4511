// SPDX-License-Identifier: Apache-2.0
// Legacy IPC of memory: a handle names the exporter's memory file and the place in it, so any
// process of the same user can map it. Only memory of cuMemAlloc; freeing it under an importer is
// as undefined as on hardware.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/contexts.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/shared_file.h"

namespace sim {
namespace {

struct MemoryTicket {
  static constexpr uint64_t kMagic = 0x53494d4950434d31;  // "SIMIPCM1"
  uint64_t magic = kMagic;
  FileName file;
  uint64_t offset = 0, bytes = 0;  // in the file, whole pages
  uint64_t size = 0;               // of the allocation
  uint64_t serial = 0;             // of the allocation: a new one at the same place is another
  int32_t device = 0;
};
static_assert(sizeof(MemoryTicket) <= sizeof(CUipcMemHandle));

struct Opened {
  const Context* context = nullptr;
  unsigned references = 0;
  std::pair<pid_t, uint64_t> what;  // exporter, serial
};

struct Table {
  std::mutex mutex;
  std::map<CUdeviceptr, Opened> opened;
};

Table& table() {
  static auto* all = new Table;
  return *all;
}

CUresult import_memory(const MemoryTicket& ticket, Context* context, CUdeviceptr* out) {
  const int file = open_file(ticket.file);
  struct stat status {};
  if (file < 0) return CUDA_ERROR_MAP_FAILED;
  Allocation made;
  made.backing = {.store = ticket.device,
                  .file = file,
                  .own_file = true,
                  .offset = ticket.offset,
                  .bytes = ticket.bytes};
  made.rights = Rights();
  made.rights.set(context->device, Access::ReadWrite);
  const bool there = fstat(file, &status) == 0 &&
                     static_cast<uint64_t>(status.st_size) >= ticket.offset + ticket.bytes;
  const CUdeviceptr address = there ? take_addresses(ticket.bytes + kGap, kPage) : 0;
  if (address == 0 || !show(made.rights, address, made.backing, ticket.size)) {
    if (address != 0) give_addresses(address, ticket.bytes + kGap);
    close(file);
    return CUDA_ERROR_MAP_FAILED;
  }
  made.extent = {.kind = Extent::Kind::Imported,
                 .base = address,
                 .size = ticket.size,
                 .type = CU_MEMORYTYPE_DEVICE,
                 .device = ticket.device,
                 .buffer_id = next_buffer_id()};
  made.context = context;
  enter(std::move(made));
  *out = address;
  return CUDA_SUCCESS;
}

CUresult open_memory(CUdeviceptr* out, const CUipcMemHandle& handle, unsigned flags,
                     Context* context) {
  if (!out || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) return CUDA_ERROR_INVALID_VALUE;
  MemoryTicket ticket;
  std::memcpy(static_cast<void*>(&ticket), &handle, sizeof ticket);
  if (ticket.magic != MemoryTicket::kMagic || !valid_device(ticket.device)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (is_own(ticket.file)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!peers_possible(context->device, ticket.device)) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  const std::pair what(ticket.file.process, ticket.serial);
  std::lock_guard lock(table().mutex);
  for (auto& [address, one] : table().opened) {
    if (one.what != what || one.context->device != context->device) continue;
    if (one.context != context) return CUDA_ERROR_ALREADY_MAPPED;  // one context a device
    ++one.references;
    *out = address;
    return CUDA_SUCCESS;
  }
  const CUresult status = import_memory(ticket, context, out);
  if (status == CUDA_SUCCESS) table().opened.emplace(*out, Opened{context, 1, what});
  return status;
}

}  // namespace

void destroy_imported(const Allocation& allocation) {
  {
    std::lock_guard lock(table().mutex);
    table().opened.erase(allocation.extent.base);
  }
  hide(allocation.rights, allocation.extent.base, allocation.backing.bytes);
  give_addresses(allocation.extent.base, allocation.backing.bytes + kGap);
  close(allocation.backing.file);
}

}  // namespace sim

SIM_API cuIpcGetMemHandle(CUipcMemHandle* out, CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuIpcGetMemHandle, context);
  const auto found = sim::find(address);
  // VMM, pool, host and imported memory cannot be shared this way at all.
  if (!out || !found || found->extent.kind != sim::Extent::Kind::Device) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const sim::MemoryTicket ticket{.file = sim::name_of(found->backing.file),
                                 .offset = found->backing.offset,
                                 .bytes = found->backing.bytes,
                                 .size = found->extent.size,
                                 .serial = found->extent.buffer_id,
                                 .device = found->extent.device};
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &ticket, sizeof ticket);
  return CUDA_SUCCESS;
}

SIM_API cuIpcOpenMemHandle(CUdeviceptr* out, CUipcMemHandle handle, unsigned flags) {
  SIM_ENTER_CONTEXT(cuIpcOpenMemHandle, context);
  return sim::open_memory(out, handle, flags, context);
}

SIM_API cuIpcOpenMemHandle_v2(CUdeviceptr* out, CUipcMemHandle handle, unsigned flags) {
  SIM_ENTER_CONTEXT(cuIpcOpenMemHandle_v2, context);
  return sim::open_memory(out, handle, flags, context);
}

// Waits for nothing: work in flight that touches it faults.
SIM_API cuIpcCloseMemHandle(CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuIpcCloseMemHandle, context);
  {
    std::lock_guard lock(sim::table().mutex);
    const auto it = sim::table().opened.find(address);
    if (it == sim::table().opened.end()) return CUDA_ERROR_INVALID_VALUE;
    if (--it->second.references != 0) return CUDA_SUCCESS;
  }
  const auto removed = sim::remove(address, sim::Extent::Kind::Imported);
  if (!removed) return CUDA_ERROR_INVALID_VALUE;
  sim::destroy_imported(*removed);
  return CUDA_SUCCESS;
}
