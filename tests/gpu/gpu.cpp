// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/gpu.h"

#include <cstring>

#include "gpu_probe_kernels_ptx.h"

namespace probe {

const char* name_of(Place place) {
  switch (place) {
    case Place::Device:
      return "device";
    case Place::HostNuma:
      return "host_numa";
    case Place::Host:
      return "host";
  }
  __builtin_unreachable();
}

Gpu::Gpu(bool small) : small_(small) {
  cu().cuInit(0);
  cu().cuDeviceGet(&device_, 0);
  cu().cuDevicePrimaryCtxRetain(&context_, device_);
  enter_thread();
  blocks_ =
      small ? 4 : static_cast<unsigned>(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)) * 8;
  cu().cuModuleLoadData(&module_, gpu_probe_kernels_ptx);
  struct Row {
    Kernel* kernel;
    const char* name;
  } const rows[] = {
#define KERNEL(name) {&kernels_.name, #name}
      KERNEL(nop),          KERNEL(nop4),   KERNEL(mixed), KERNEL(fill),     KERNEL(check),
      KERNEL(add),          KERNEL(spin),   KERNEL(busy),  KERNEL(read_all), KERNEL(write_all),
      KERNEL(spin_reading), KERNEL(hash128)
#undef KERNEL
  };
  for (const Row& row : rows) cu().cuModuleGetFunction(&row.kernel->function, module_, row.name);
}

int Gpu::attribute(CUdevice_attribute which) const {
  int value = -1;
  return cu().cuDeviceGetAttribute.attempt(&value, which, device_) == CUDA_SUCCESS ? value : -1;
}

CUmemAllocationProp Gpu::properties(Place place) const {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  switch (place) {
    case Place::Device:
      properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
      properties.location.id = device_;
      break;
    case Place::HostNuma:  // "On systems where NUMA is not available id must be set to 0"
      properties.location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA;
      properties.location.id = std::max(0, attribute(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID));
      break;
    case Place::Host:
      properties.location.type = CU_MEM_LOCATION_TYPE_HOST;
      break;
  }
  return properties;
}

CUmemAccessDesc Gpu::access() const {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = device_;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  return access;
}

bool Gpu::supports(Place place) const {
  CUmemAllocationProp properties = this->properties(place);
  CUmemGenericAllocationHandle handle = 0;
  if (cu().cuMemCreate.attempt(&handle, 2 * kMiB, &properties, 0) != CUDA_SUCCESS) return false;
  Range range(2 * kMiB);
  CUmemAccessDesc access = this->access();
  bool works = cu().cuMemMap.attempt(range.at(), 2 * kMiB, 0, handle, 0) == CUDA_SUCCESS;
  if (works) {
    works = cu().cuMemSetAccess.attempt(range.at(), 2 * kMiB, &access, 1) == CUDA_SUCCESS;
    cu().cuMemUnmap(range.at(), 2 * kMiB);
  }
  cu().cuMemRelease(handle);
  return works;
}

void Gpu::fill(CUdeviceptr address, size_t bytes, uint64_t seed, CUstream stream) const {
  kernels_.fill.launch(blocks_, 256, stream, address, uint64_t{bytes / 8}, seed);
}

void Gpu::start_check(CUdeviceptr address, size_t bytes, uint64_t seed, CUdeviceptr counter,
                      CUstream stream) const {
  kernels_.check.launch(blocks_, 256, stream, address, uint64_t{bytes / 8}, seed, counter);
}

uint64_t Gpu::mismatches(CUdeviceptr address, size_t bytes, uint64_t seed, CUstream stream) const {
  HostMemory counter(sizeof(uint64_t));
  start_check(address, bytes, seed, counter.device(), stream);
  cu().cuStreamSynchronize(stream);
  return *counter.as<uint64_t>();
}

uint64_t pattern(uint64_t seed, uint64_t index) {
  uint64_t x = seed + index * 0x9E3779B97F4A7C15ull;
  x ^= x >> 32;
  return x * 0xD6E8FEB86659FD93ull;
}

void release_stream(CUstream stream) {
  cu().cuStreamDestroy.attempt(stream);
}
void release_event(CUevent event) {
  cu().cuEventDestroy.attempt(event);
}
void release_exec(CUgraphExec exec) {
  cu().cuGraphExecDestroy.attempt(exec);
}
void release_handle(CUmemGenericAllocationHandle handle) {
  cu().cuMemRelease.attempt(handle);
}
void release_device(CUdeviceptr address) {
  cu().cuMemFree.attempt(address);
}
void release_host(void* address) {
  cu().cuMemFreeHost.attempt(address);
}

namespace {

template <class Handle, class Make>
Handle made(Make&& make) {
  Handle handle{};
  make(&handle);
  return handle;
}

}  // namespace

Stream::Stream()
    : Owner(
          made<CUstream>([](CUstream* out) { cu().cuStreamCreate(out, CU_STREAM_NON_BLOCKING); })) {
}
Event::Event(unsigned flags)
    : Owner(made<CUevent>([&](CUevent* out) { cu().cuEventCreate(out, flags); })) {}
Memory::Memory(size_t bytes)
    : Owner(made<CUdeviceptr>([&](CUdeviceptr* out) { cu().cuMemAlloc(out, bytes); })) {}
HostMemory::HostMemory(size_t bytes)
    : Owner(made<void*>([&](void** out) {
        cu().cuMemHostAlloc(out, bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP);
        std::memset(*out, 0, bytes);
      })) {}
CUdeviceptr HostMemory::device() const {
  CUdeviceptr address = 0;
  cu().cuMemHostGetDevicePointer(&address, *this, 0);
  return address;
}
Chunk::Chunk(const Gpu& gpu, Place place, size_t bytes)
    : Owner(made<CUmemGenericAllocationHandle>([&](CUmemGenericAllocationHandle* out) {
        CUmemAllocationProp properties = gpu.properties(place);
        cu().cuMemCreate(out, bytes, &properties, 0);
      })) {}

Range::Range(size_t bytes) : bytes_(bytes) {
  cu().cuMemAddressReserve(&address_, bytes, 2 * kMiB, 0, 0);
}

Range::~Range() {
  for (auto [offset, bytes] : mapped_) cu().cuMemUnmap.attempt(address_ + offset, bytes);
  cu().cuMemAddressFree.attempt(address_, bytes_);
}

void Range::map(const Gpu& gpu, CUmemGenericAllocationHandle handle, size_t bytes, size_t offset) {
  cu().cuMemMap(address_ + offset, bytes, 0, handle, 0);
  mapped_.emplace_back(offset, bytes);
  CUmemAccessDesc access = gpu.access();
  cu().cuMemSetAccess(address_ + offset, bytes, &access, 1);
}

void Range::unmap(size_t bytes, size_t offset) {
  cu().cuMemUnmap(address_ + offset, bytes);
  std::erase(mapped_, std::pair{offset, bytes});
}

double Stopwatch::ms() const {
  cu().cuEventSynchronize(end_);
  float ms = 0;
  cu().cuEventElapsedTime(&ms, begin_, end_);
  return ms;
}

}  // namespace probe
