// SPDX-License-Identifier: Apache-2.0
// Wrong calls. Each tells the driver's answer, so that the answers can be compared with and without
// a library in front; at the end everything must still work.
#include <cstdint>

#include "tests/programs/driver/kernels.h"
#include "tests/programs/driver/story.h"

using namespace story;

#define TELL(call) say("%s: %s", #call, name_of(call))

namespace {

void still_works() {
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 3);
  add(buffer, 4);
  expect_pattern(buffer, 3, 4, kStride);
  release(buffer);
}

}  // namespace

STORY(allocations) {
  begin();
  CUdeviceptr address = 0;
  size_t pitch = 0;
  TELL(cuMemAlloc(&address, 0));
  TELL(cuMemAlloc(nullptr, 4 * kMiB));
  TELL(cuMemAlloc(nullptr, 0));
  TELL(cuMemAlloc(&address, size_t{1} << 60));
  TELL(cuMemAlloc(&address, SIZE_MAX));
  TELL(cuMemAlloc(&address, SIZE_MAX - 4095));
  TELL(cuMemAllocPitch(&address, &pitch, 0, 4, 4));
  TELL(cuMemAllocPitch(&address, &pitch, 4096, 0, 4));
  TELL(cuMemAllocPitch(&address, &pitch, 1 << 20, 4, 5));
  TELL(cuMemAllocPitch(&address, &pitch, SIZE_MAX / 2, 8, 4));
  TELL(cuMemAllocPitch(&address, nullptr, 1 << 20, 4, 4));
  TELL(cuMemAllocPitch(nullptr, &pitch, 1 << 20, 4, 4));
  TELL(cuMemAllocAsync(&address, 0, nullptr));
  TELL(cuMemAllocAsync(nullptr, 4 * kMiB, nullptr));
  TELL(cuMemAllocAsync(&address, size_t{1} << 60, nullptr));
  TELL(cuMemAllocAsync(&address, SIZE_MAX, nullptr));
  still_works();
}

STORY(frees) {
  begin();
  for (const size_t bytes : {4 * kMiB, size_t{64} << 10}) {
    say("of %zu bytes", bytes);
    const Buffer buffer = allocate(bytes);
    const Buffer other = allocate(bytes);
    write_pattern(other, 8);
    TELL(cuMemFree(buffer.address + 512));
    TELL(cuMemFree(buffer.address + bytes - 1));
    TELL(cuMemFree(buffer.address));
    TELL(cuMemFree(buffer.address));
    expect_pattern(other, 8);
    TELL(cuMemFree(other.address));
    const Buffer pooled = allocate_async(bytes, nullptr);
    TELL(cuMemFreeAsync(pooled.address + 512, nullptr));
    TELL(cuMemFreeAsync(pooled.address, nullptr));
    MUST(cuCtxSynchronize());
  }
  TELL(cuMemFree(0));
  TELL(cuMemFree(1));
  TELL(cuMemFree(0xdeadbeef000));
  TELL(cuMemFreeAsync(0, nullptr));
  TELL(cuMemFreeAsync(0xdeadbeef000, nullptr));
  int on_the_stack = 0;
  TELL(cuMemFree(reinterpret_cast<CUdeviceptr>(&on_the_stack)));
  still_works();
}

STORY(launches) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 1);
  const CUfunction function = kernel("add");
  CUdeviceptr address = buffer.address;
  uint32_t words = static_cast<uint32_t>(buffer.bytes / 4), stride = kStride, value = 1;
  void* arguments[] = {&address, &words, &stride, &value};
  struct {
    CUdeviceptr address;
    uint32_t words, stride, value;
  } packed{address, words, stride, value};
  size_t size = 20;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, arguments, extra));
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, nullptr));
  TELL(cuLaunchKernel(function, 0, 1, 1, 32, 1, 1, 0, nullptr, arguments, nullptr));
  TELL(cuLaunchKernel(function, 1, 1, 1, 0, 1, 1, 0, nullptr, arguments, nullptr));
  TELL(cuLaunchKernel(function, 1, 1, 1, 2048, 1, 1, 0, nullptr, arguments, nullptr));
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 1 << 30, nullptr, arguments, nullptr));
  TELL(cuLaunchKernel(nullptr, 1, 1, 1, 32, 1, 1, 0, nullptr, arguments, nullptr));
  TELL(cuLaunchKernelEx(nullptr, function, arguments, nullptr));
  size = 12;
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra));
  size = 20;
  void* unknown[] = {reinterpret_cast<void*>(17), &packed, CU_LAUNCH_PARAM_END};
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, unknown));
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra));
  TELL(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, nullptr, arguments, nullptr));
  MUST(cuCtxSynchronize());
  expect_pattern(buffer, 1, 2, kStride);
  still_works();
}

STORY(copies) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 1);
  std::vector<char> host(8 * kMiB);
  TELL(cuMemcpyHtoD(0, host.data(), 64));
  TELL(cuMemcpyHtoD(buffer.address, nullptr, 64));
  TELL(cuMemcpyDtoH(nullptr, buffer.address, 64));
  TELL(cuMemcpyDtoH(host.data(), 0, 64));
  TELL(cuMemcpyDtoH(host.data(), buffer.address, 0));
  TELL(cuMemcpyHtoD(buffer.address, host.data(), 0));
  TELL(cuMemsetD8(0, 1, 64));
  TELL(cuMemsetD8(buffer.address, 1, 0));
  TELL(cuMemsetD32(buffer.address + 2, 1, 4));
  TELL(cuMemsetD16(buffer.address + 1, 1, 4));
  TELL(cuMemcpy2D(nullptr));
  TELL(cuMemcpy3D(nullptr));
  expect_pattern(buffer, 1);
  still_works();
}

STORY(out_parameters) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  CUdeviceptr base = 0;
  size_t size = 0;
  void* data = nullptr;
  CUpointer_attribute attribute = CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
  TELL(cuMemGetAddressRange(&base, nullptr, buffer.address));
  TELL(cuMemGetAddressRange(nullptr, &size, buffer.address));
  TELL(cuMemGetAddressRange(nullptr, nullptr, buffer.address));
  TELL(cuMemGetAddressRange(&base, &size, 0));
  TELL(cuMemGetAddressRange(&base, &size, 0xdeadbeef000));
  TELL(cuMemGetInfo(nullptr, &size));
  TELL(cuMemGetInfo(&size, nullptr));
  TELL(cuDeviceTotalMem(nullptr, 0));
  TELL(cuDeviceTotalMem(&size, 999));
  TELL(cuPointerGetAttribute(nullptr, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, buffer.address));
  TELL(cuPointerGetAttribute(&data, static_cast<CUpointer_attribute>(999), buffer.address));
  TELL(cuPointerGetAttribute(&data, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0xdeadbeef000));
  TELL(cuPointerGetAttributes(1, nullptr, &data, buffer.address));
  TELL(cuPointerGetAttributes(1, &attribute, nullptr, buffer.address));
  TELL(cuPointerGetAttributes(0, &attribute, &data, buffer.address));
  TELL(cuEventRecord(nullptr, nullptr));
  TELL(cuStreamDestroy(nullptr));
  TELL(cuGraphLaunch(nullptr, nullptr));
  TELL(cuGraphInstantiate(nullptr, nullptr, 0));
  TELL(cuGraphExecDestroy(nullptr));
  still_works();
}

// Before cuInit, and with no context.
STORY(too_early) {
  CUdeviceptr address = 0;
  size_t size = 0, total = 0;
  TELL(cuMemAlloc(&address, 4 * kMiB));
  TELL(cuMemFree(0));
  TELL(cuMemGetInfo(&size, &total));
  MUST(cuInit(0));
  TELL(cuMemAlloc(&address, 4 * kMiB));
  TELL(cuMemAllocAsync(&address, 4 * kMiB, nullptr));
  TELL(cuMemFree(0x10000));
  TELL(cuMemGetInfo(&size, &total));
  TELL(cuCtxSynchronize());
  TELL(cuStreamSynchronize(nullptr));
  begin();
  still_works();
}
