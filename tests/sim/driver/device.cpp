// SPDX-License-Identifier: Apache-2.0
// Devices: cuDeviceGet*, peer attributes. attributes.def is what they say.
#include "tests/sim/driver/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/settings.h"

namespace sim {

int device_count() {
  return static_cast<int>(settings().devices);
}

size_t device_capacity() {
  return settings().memory;
}

CUresult current_device(int* out) {
  const Context* context = current_context();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  *out = context->device;
  return CUDA_SUCCESS;
}

namespace {

int pci_bus(int device) {
  return device + 1;
}  // no device on bus 0, as on real machines

std::string pci_id(int device) {
  return fmt::format("0000:{:02X}:00.0", pci_bus(device));
}

int attribute_of(int wanted, int device) {
  const int compute = static_cast<int>(settings().compute);
  const int host_vmm = settings().host_vmm != 0;
  switch (wanted) {
#define ATTRIBUTE(name, value)     \
  case CU_DEVICE_ATTRIBUTE_##name: \
    return value;
#include "tests/sim/driver/attributes.def"
#undef ATTRIBUTE
  }
  return 0;
}

CUresult copy_text(const std::string& text, char* out, int bytes) {
  if (!out || bytes <= 0) return CUDA_ERROR_INVALID_VALUE;
  snprintf(out, static_cast<size_t>(bytes), "%s", text.c_str());
  return CUDA_SUCCESS;
}

// The name of the simulator and the ordinal: equal in every process, as a device's own is.
CUresult uuid_of(CUuuid* out, int device) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::memcpy(out->bytes, "simulated device", sizeof out->bytes);
  out->bytes[sizeof out->bytes - 1] = static_cast<char>('A' + device);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

SIM_API cuDeviceGetCount(int* out) {
  SIM_ENTER(cuDeviceGetCount);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = sim::device_count();
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGet(CUdevice* out, int ordinal) {
  SIM_ENTER(cuDeviceGet);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *out = ordinal;
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetName(char* out, int bytes, CUdevice device) {
  SIM_ENTER(cuDeviceGetName);
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  return sim::copy_text(fmt::format("Simulated GPU ({})", sim::profile().name), out, bytes);
}

SIM_API cuDeviceGetUuid(CUuuid* out, CUdevice device) {
  SIM_ENTER(cuDeviceGetUuid);
  return sim::uuid_of(out, device);
}

SIM_API cuDeviceGetUuid_v2(CUuuid* out, CUdevice device) {
  SIM_ENTER(cuDeviceGetUuid_v2);
  return sim::uuid_of(out, device);
}

SIM_API cuDeviceTotalMem_v2(size_t* out, CUdevice device) {
  SIM_ENTER(cuDeviceTotalMem_v2);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = sim::device_capacity();
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetAttribute(int* out, CUdevice_attribute attribute, CUdevice device) {
  SIM_ENTER(cuDeviceGetAttribute);
  if (!out || attribute <= 0 || attribute >= CU_DEVICE_ATTRIBUTE_MAX) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = sim::attribute_of(attribute, device);
  return CUDA_SUCCESS;
}

SIM_API cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  SIM_ENTER(cuDeviceComputeCapability);
  if (!major || !minor) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *major = sim::attribute_of(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
  *minor = sim::attribute_of(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetProperties(CUdevprop* out, CUdevice device) {
  SIM_ENTER(cuDeviceGetProperties);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  const auto value = [device](int attribute) { return sim::attribute_of(attribute, device); };
  *out = {};
  out->maxThreadsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  for (int axis = 0; axis < 3; ++axis) {
    out->maxThreadsDim[axis] = value(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + axis);
    out->maxGridSize[axis] = value(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + axis);
  }
  out->sharedMemPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  out->totalConstantMemory = value(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  out->SIMDWidth = value(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  out->memPitch = value(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  out->regsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  out->clockRate = value(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  out->textureAlign = value(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetPCIBusId(char* out, int bytes, CUdevice device) {
  SIM_ENTER(cuDeviceGetPCIBusId);
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  return sim::copy_text(sim::pci_id(device), out, bytes);
}

// "domain:bus:device.function", the domain and the function may be left out.
SIM_API cuDeviceGetByPCIBusId(CUdevice* out, const char* text) {
  SIM_ENTER(cuDeviceGetByPCIBusId);
  if (!out || !text) return CUDA_ERROR_INVALID_VALUE;
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned slot = 0;
  if (sscanf(text, "%x:%x:%x", &domain, &bus, &slot) != 3) {
    domain = 0;
    if (sscanf(text, "%x:%x", &bus, &slot) != 2) return CUDA_ERROR_INVALID_VALUE;
  }
  const int device = static_cast<int>(bus) - sim::pci_bus(0);
  if (domain != 0 || slot != 0 || !sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = device;
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetTexture1DLinearMaxWidth(size_t* out, CUarray_format, unsigned channels,
                                           CUdevice device) {
  SIM_ENTER(cuDeviceGetTexture1DLinearMaxWidth);
  if (!out || channels == 0) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = static_cast<size_t>(
      sim::attribute_of(CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH, device));
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetP2PAttribute(int* out, CUdevice_P2PAttribute attribute, CUdevice from,
                                CUdevice to) {
  SIM_ENTER(cuDeviceGetP2PAttribute);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(from) || !sim::valid_device(to) || from == to) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
    case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED:
      *out = 0;
      return CUDA_SUCCESS;
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
      *out = sim::peers_possible(from, to);
      return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuDeviceCanAccessPeer(int* out, CUdevice device, CUdevice peer) {
  SIM_ENTER(cuDeviceCanAccessPeer);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device) || !sim::valid_device(peer)) return CUDA_ERROR_INVALID_DEVICE;
  *out = device != peer && sim::peers_possible(device, peer);
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetExecAffinitySupport(int* out, CUexecAffinityType, CUdevice device) {
  SIM_ENTER(cuDeviceGetExecAffinitySupport);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = 0;
  return CUDA_SUCCESS;
}

SIM_API cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget,
                                   CUflushGPUDirectRDMAWritesScope) {
  SIM_ENTER_CONTEXT(cuFlushGPUDirectRDMAWrites, context);
  return CUDA_ERROR_NOT_SUPPORTED;  // GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS is 0
}
