// SPDX-License-Identifier: Apache-2.0
// Whether memory can be mapped, on the device and on the host: tried, because the attributes
// under-report and over-report (published).
#include <fmt/format.h>

#include <cstring>

#include "runtime/bytes.h"
#include "runtime/words.h"
#include "tools/doctor/doctor.h"
#include "tools/doctor/driver.h"

namespace spillway::tools {
namespace {

int attribute(CUdevice_attribute which, int device) {
  int value = 0;
  return cu().cuDeviceGetAttribute.attempt(&value, which, device) == CUDA_SUCCESS ? value : -1;
}

// A granule of memory, and addresses at which it is mapped. Gives back what it got.
class Trial {
 public:
  Trial(const Gpu& gpu, const CUmemLocation& place) : device_(gpu.device) {
    CUmemAllocationProp properties{};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = place;
    cu().cuMemCreate(&handle_, kGranule, &properties, 0);
  }
  ~Trial() {
    for (const View& view : views_) {
      if (view.mapped) cu().cuMemUnmap.attempt(view.address, kGranule);
      if (view.address != 0) cu().cuMemAddressFree.attempt(view.address, kGranule);
    }
    cu().cuMemRelease.attempt(handle_);
  }
  Trial(const Trial&) = delete;

  CUdeviceptr map(int view) {
    const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, device_},
                                 CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    View& made = views_[view];
    cu().cuMemAddressReserve(&made.address, kGranule, kGranule, 0, 0);
    cu().cuMemMap(made.address, kGranule, 0, handle_, 0);
    made.mapped = true;
    cu().cuMemSetAccess(made.address, kGranule, &access, 1);
    return made.address;
  }

 private:
  struct View {
    CUdeviceptr address = 0;
    bool mapped = false;
  };
  int device_;
  CUmemGenericAllocationHandle handle_ = 0;
  View views_[2];
};

struct Stream {
  Stream() { cu().cuStreamCreate(&handle, CU_STREAM_NON_BLOCKING); }
  ~Stream() { cu().cuStreamDestroy_v2.attempt(handle); }
  CUstream handle = nullptr;
};

// Mapped twice; what is written through one address is read through the other. Throws Failed;
// false: the bytes differ.
bool works(const Gpu& gpu, const CUmemLocation& place) {
  Trial trial(gpu, place);
  const CUdeviceptr to = trial.map(0), from = trial.map(1);
  std::vector<uint64_t> sent(kGranule / sizeof(uint64_t)), back(sent.size());
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = i * 0x9e3779b97f4a7c15;
  const Stream stream;
  cu().cuMemcpyHtoDAsync_v2(to, sent.data(), kGranule, stream.handle);
  cu().cuMemcpyDtoHAsync_v2(back.data(), from, kGranule, stream.handle);
  cu().cuStreamSynchronize(stream.handle);
  return sent == back;
}

// "" when it works.
std::string why_not(const Gpu& gpu, const CUmemLocation& place) {
  try {
    return works(gpu, place) ? "" : "other bytes come back than were written";
  } catch (const Failed& failed) {
    return failed.text();
  }
}

}  // namespace

Row mapping_row(const Gpu& gpu) {
  Row row{.topic = "mapping", .device = gpu.device};
  const int supported =
      attribute(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, gpu.device);
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, gpu.device};
  size_t granularity = 0;
  const CUresult asked = cu().cuMemGetAllocationGranularity.attempt(
      &granularity, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
  std::string failure;
  if (supported != 1)
    failure = "the device has no virtual memory management";
  else if (asked != CUDA_SUCCESS)
    failure = Failed(cu().cuMemGetAllocationGranularity.name, asked).text();
  else if (granularity == 0 || kGranule % granularity != 0)
    failure = fmt::format("its granularity, {}, does not divide {}", format_bytes(granularity),
                          format_bytes(kGranule));
  else
    failure = why_not(gpu, properties.location);
  row.facts = {
      {"attribute", supported == 1}, {"granularity", granularity}, {"works", failure.empty()}};
  row.text = fmt::format("works, in steps of {}", format_bytes(granularity));
  if (failure.empty()) return row;
  row.health = Health::Fail;
  row.text = failure;
  row.advice = "Spillway leaves this device to its driver; some vGPU profiles are without mapping";
  return row;
}

Row in_place_row(const Gpu& gpu, const Config& config) {
  Row row{.topic = "in place", .device = gpu.device};
  const int node = attribute(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, gpu.device);
  struct Place {
    const char* name;
    CUmemLocation location;
  };
  // As the library tries them: the device's own node first, then any host memory.
  const Place places[] = {{"HOST_NUMA", {CU_MEM_LOCATION_TYPE_HOST_NUMA, std::max(node, 0)}},
                          {"HOST", {CU_MEM_LOCATION_TYPE_HOST, 0}}};
  std::string failure, where;
  for (const Place& place : places) {
    const std::string reason = why_not(gpu, place.location);
    if (reason.empty()) {
      where = place.name;
      break;
    }
    failure += fmt::format("{}{}: {}", failure.empty() ? "" : "; ", place.name, reason);
  }
  const bool used = !where.empty() && config.in_place != InPlace::Off;
  row.facts = {
      {"works", !where.empty()},
      {"used", used},
      {"host_memory", where},
      {"host_numa_id", node},
      {"attribute", attribute(CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                              gpu.device) == 1}};
  const std::string memory =
      where == "HOST_NUMA" ? fmt::format("of NUMA node {}", std::max(node, 0)) : "of any node";
  if (used) {
    row.text = fmt::format("yes: host memory {} works at a device address, there and back", memory);
  } else if (!where.empty()) {
    row.text = "no, as SPILLWAY_IN_PLACE=off says; it would work";
  } else {
    row.health = config.in_place == InPlace::Off ? Health::Ok : Health::Warn;
    row.text = "no, evicted data is copied back before any use: " + failure;
    if (row.health == Health::Warn)
      row.advice =
          "in a container, try --cap-add SYS_NICE; without it a kernel must fit into the budget";
  }
  return row;
}

}  // namespace spillway::tools
