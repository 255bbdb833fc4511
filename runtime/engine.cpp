// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <algorithm>

#include "runtime/bytes.h"
#include "runtime/capture.h"
#include "runtime/errors.h"
#include "runtime/log.h"
#include "runtime/mover_thread.h"
#include "runtime/peers.h"
#include "runtime/tell.h"

namespace spillway {

std::atomic<Engine*> Engine::current_{nullptr};
FastPath fast_path;

namespace {

// Pieces of 64 MiB: large enough that a remap (~0.1 ms a handle) is under a tenth of the copy over
// PCIe 5 (1.2 ms), small enough to move while others are used. A small budget gets smaller pieces,
// so that those on the way in and out are a small share of it.
constexpr uint64_t kLargestPiece = 64 << 20;
constexpr uint64_t kPiecesInBudget = 64;

uint64_t piece_size(uint64_t limit) {
  const uint64_t share = limit / kPiecesInBudget;
  return std::clamp(share ? power_below(share) : kGranule, kGranule, kLargestPiece);
}

}  // namespace

Device::Device(const Driver& driver, int number, uint64_t all, uint64_t most, uint64_t host_limit,
               std::atomic<uint64_t>& host_held, const Config& config)
    : ordinal(number),
      total(all),
      piece_bytes(piece_size(most)),
      limit(most),
      access{{{CU_MEM_LOCATION_TYPE_DEVICE, number}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE}},
      chunks(driver, number, piece_bytes),
      backups(driver, number, piece_bytes, host_limit, host_held),
      foresight(config.policy.entry->make(), config.history.count) {}

std::vector<Device*> Engine::devices() {
  std::vector<Device*> served;
  for (auto& each : devices_)
    if (Device* device = each.load(std::memory_order_acquire)) served.push_back(device);
  return served;
}

Device* Engine::device() {
  ThreadState::Here& here = thread_state().here;
  const uint64_t now = stream_epoch();
  if (here.device && here.epoch == now) return here.device;
  here = {};
  CUdevice ordinal = -1;
  if (driver.cuCtxGetDevice(&ordinal) != CUDA_SUCCESS || ordinal < 0 || ordinal >= kMaxDevices)
    return nullptr;
  Device* found = device(ordinal) ? device(ordinal) : serve_device(ordinal);
  CUcontext context = nullptr;
  if (found && driver.cuCtxGetCurrent(&context) == CUDA_SUCCESS) here = {context, found, now};
  return found;
}

CUcontext Engine::context() {
  return device() ? thread_state().here.context : nullptr;
}

Device* Engine::serve_device(CUdevice ordinal) {
  // Who finds a device known may rely on what introduce() does.
  std::lock_guard one_at_a_time(serving_);
  if (Device* known = device(ordinal)) return known;
  {
    Held held(ledger);
    if (refused_[ordinal]) return nullptr;
  }
  const auto refuse = [&](const char* what, CUresult result) {
    Held held(ledger);
    if (!refused_[ordinal])
      log(LogLevel::Warn, "device {} is left to its driver: {} ({})", ordinal, what,
          error_name(driver, result));
    refused_[ordinal] = true;
    return nullptr;
  };
  RelaxedCapture relaxed(driver);
  int vmm = 0;
  driver.cuDeviceGetAttribute(&vmm, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                              ordinal);
  if (!vmm) return refuse("it has no virtual memory management", CUDA_ERROR_NOT_SUPPORTED);
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, ordinal};
  size_t granularity = 0, total = 0;
  CUresult result = driver.cuMemGetAllocationGranularity(&granularity, &properties,
                                                         CU_MEM_ALLOC_GRANULARITY_MINIMUM);
  if (result != CUDA_SUCCESS || granularity == 0 || kGranule % granularity)
    return refuse("its mapping granularity does not divide 2 MiB", result);
  result = driver.cuDeviceTotalMem_v2(&total, ordinal);
  if (result != CUDA_SUCCESS) return refuse("cuDeviceTotalMem failed", result);

  auto fresh = std::make_unique<Device>(driver, ordinal, total,
                                        std::min<uint64_t>(config.device_limit.of(total), total),
                                        host_limit, host_held, config);
  if (config.in_place != InPlace::Off) {
    CUstream stream = nullptr;
    CUdeviceptr scratch = 0;
    {
      Held held(ledger);
      scratch = arena.take(kGranule);
    }
    if (scratch &&
        driver.cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, 0) == CUDA_SUCCESS) {
      fresh->backups.probe(scratch, stream);
      driver.cuStreamDestroy_v2(stream);
    }
    if (scratch) {
      Held held(ledger);
      arena.give(scratch, kGranule);
    }
    if (!fresh->backups.in_place() && config.in_place == InPlace::On)
      log(LogLevel::Warn,
          "SPILLWAY_IN_PLACE=on, but device {} cannot use host-backed mappings "
          "(in a container, try --cap-add SYS_NICE); evicted data is copied back before use",
          ordinal);
  }
  if (!fresh->backups.in_place() && config.trust_arguments == Trust::On)
    log(LogLevel::Info,
        "device {}: evicted data is nowhere mapped. A kernel that follows an address which another "
        "kernel stored may fault; SPILLWAY_TRUST_ARGUMENTS=examine or off prevents that",
        ordinal);
  if (config.banner)
    log(LogLevel::Off, "active: {}, budget {} of {}, host {}, in place {}",
        config.policy.entry->name, format_bytes(fresh->limit.load()), format_bytes(total),
        format_bytes(host_limit), fresh->backups.in_place() ? "yes" : "no");
  Device* const known = fresh.release();  // leaked on purpose
  introduce(*this, *known);
  devices_[ordinal].store(known, std::memory_order_release);
  tell_budget(*this, *known);
  if (config.prewarm.count && config.lockstep) {
    known->backups.prepare(config.prewarm.count);
  } else if (config.prewarm.count) {
    CUcontext context = nullptr;
    driver.cuCtxGetCurrent(&context);
    known->backups.prepare_aside(config.prewarm.count, context);
  }
  if (!config.limit_file.empty() && !config.lockstep) {
    Held held(ledger);
    start_mover(*this, held, *known);
  }
  return known;
}

}  // namespace spillway
