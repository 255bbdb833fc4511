// SPDX-License-Identifier: Apache-2.0
// Legacy IPC of memory and events: this program starts itself as the importing process and hands it
// the handles in its environment. And dma-buf descriptors.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/tests/space_support.h"

namespace {

template <class T>
void hand_over(const char* variable, const T& value) {
  std::string text;
  char digits[3];
  for (const unsigned char byte :
       std::string_view(reinterpret_cast<const char*>(&value), sizeof value)) {
    snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  setenv(variable, text.c_str(), 1);
}

template <class T>
bool receive(const char* variable, T* value) {
  const char* text = getenv(variable);
  if (!text || strlen(text) != 2 * sizeof *value) return false;
  for (size_t i = 0; i < sizeof *value; ++i) {
    unsigned byte = 0;
    sscanf(text + 2 * i, "%2x", &byte);
    reinterpret_cast<unsigned char*>(value)[i] = static_cast<unsigned char>(byte);
  }
  return true;
}

// 0: the other process's tests passed.
int run_importer(const char* suite) {
  char program[] = "/proc/self/exe";
  std::string filter = std::string("--gtest_filter=") + suite + ".*";
  char* arguments[] = {program, filter.data(), nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0) return -1;
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

using Ipc = InContext;

constexpr unsigned kBefore = 41, kAfter = 42, kBack = 43;

// Holds its stream until the importer says go on.
void wait_for_importer(void* pipe_end) {
  char byte = 0;
  EXPECT_EQ(1, read(*static_cast<int*>(pipe_end), &byte, 1));
}

TEST_F(Ipc, MemoryAndEventsCrossProcesses) {
  CUdeviceptr memory = 0;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  ASSERT_OK(cuMemAlloc(&memory, 1000));
  ASSERT_OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  ASSERT_OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS));
  put(memory, kBefore);
  CUipcMemHandle memory_handle;
  CUipcEventHandle event_handle;
  ASSERT_OK(cuIpcGetMemHandle(&memory_handle, memory));
  ASSERT_OK(cuIpcGetEventHandle(&event_handle, event));
  CUdeviceptr mine = 0;
  CUevent my_event = nullptr;
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT,  // not in the process that exports
            cuIpcOpenMemHandle(&mine, memory_handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuIpcOpenEventHandle(&my_event, event_handle));
  hand_over("SIM_IPC_MEMORY", memory_handle);
  hand_over("SIM_IPC_EVENT", event_handle);
  int go[2];
  ASSERT_EQ(0, pipe(go));
  hand_over("SIM_IPC_GO", go[1]);
  ASSERT_OK(cuLaunchHostFunc(stream, wait_for_importer, &go[0]));
  ASSERT_OK(cuMemsetD32Async(memory, kAfter, 1, stream));
  ASSERT_OK(cuEventRecord(event, stream));
  EXPECT_EQ(0, run_importer("EnvIpcImporter"));
  EXPECT_OK(cuEventSynchronize(event));  // whose last record is the importer's
  unsigned seen = 0;
  EXPECT_OK(cuMemcpyDtoH(&seen, memory, sizeof seen));
  EXPECT_EQ(kBack, seen);
  close(go[0]);
  close(go[1]);
  EXPECT_OK(cuEventDestroy(event));
  EXPECT_OK(cuStreamDestroy(stream));
  EXPECT_OK(cuMemFree(memory));
}

using EnvIpcImporter = InContext;

TEST_F(EnvIpcImporter, SeesWhatTheEventPromises) {
  CUipcMemHandle memory_handle;
  CUipcEventHandle event_handle;
  int go = -1;
  ASSERT_TRUE(receive("SIM_IPC_MEMORY", &memory_handle));
  ASSERT_TRUE(receive("SIM_IPC_EVENT", &event_handle));
  ASSERT_TRUE(receive("SIM_IPC_GO", &go));
  CUdeviceptr memory = 0, again = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle(&memory, memory_handle, 0));
  ASSERT_OK(cuIpcOpenMemHandle(&memory, memory_handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  CUevent event = nullptr;
  ASSERT_OK(cuIpcOpenEventHandle(&event, event_handle));

  // Opened twice is the same address; another context of the device may not open it at all.
  ASSERT_OK(cuIpcOpenMemHandle(&again, memory_handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  EXPECT_EQ(memory, again);
  CUcontext second = nullptr;
  ASSERT_OK(cuCtxCreate(&second, nullptr, 0, 0));
  EXPECT_CU(CUDA_ERROR_ALREADY_MAPPED,
            cuIpcOpenMemHandle(&again, memory_handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  ASSERT_OK(cuCtxDestroy(second));
  ASSERT_OK(cuCtxSetCurrent(context_));

  size_t size = 0;
  EXPECT_OK(cuMemGetAddressRange(nullptr, &size, memory));
  EXPECT_EQ(1000u, size);
  CUipcMemHandle onwards;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&onwards, memory));
  CUipcEventHandle event_onwards;
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cuIpcGetEventHandle(&event_onwards, event));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(memory));

  // The exporter's stream stands still, so its record has not happened.
  EXPECT_CU(CUDA_ERROR_NOT_READY, cuEventQuery(event));
  CUstream stream = nullptr;
  void* pinned = nullptr;
  ASSERT_OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  ASSERT_OK(cuMemAllocHost(&pinned, sizeof(unsigned)));
  ASSERT_OK(cuStreamWaitEvent(stream, event, 0));
  ASSERT_OK(cuMemcpyDtoHAsync(pinned, memory, sizeof(unsigned), stream));
  EXPECT_EQ(kBefore, *reinterpret_cast<const unsigned*>(read_back(memory, 4).data()));
  ASSERT_EQ(1, write(go, "!", 1));
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT_EQ(kAfter, *static_cast<unsigned*>(pinned));
  EXPECT_OK(cuEventQuery(event));
  ASSERT_OK(cuMemsetD32Async(memory, kBack, 1, stream));
  ASSERT_OK(cuEventRecord(event, stream));
  EXPECT_OK(cuEventSynchronize(event));

  EXPECT_OK(cuIpcCloseMemHandle(memory));
  EXPECT_OK(cuMemsetD32(memory, kBack, 1));  // still opened once
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_OK(cuIpcCloseMemHandle(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(memory, kBack, 1));
  EXPECT_OK(cuEventDestroy(event));
}

TEST_F(Ipc, OnlyWhatWasMadeForItCrosses) {
  CUevent event = nullptr;
  CUipcEventHandle event_handle;
  ASSERT_OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cuIpcGetEventHandle(&event_handle, event));
  EXPECT_OK(cuEventDestroy(event));
  CUipcMemHandle handle{};
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  CUdeviceptr pooled = 0;
  ASSERT_OK(cuMemAllocAsync(&pooled, 100, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&handle, pooled));
  EXPECT_OK(cuMemFreeAsync(pooled, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(pooled));
}

// The exporter is gone when its handle is opened.
TEST_F(Ipc, AHandleDiesWithItsProcess) {
  int ends[2];
  ASSERT_EQ(0, pipe(ends));
  hand_over("SIM_IPC_GO", ends[1]);
  ASSERT_EQ(0, run_importer("EnvIpcExporter"));
  CUipcMemHandle handle;
  ASSERT_EQ(static_cast<ssize_t>(sizeof handle), read(ends[0], &handle, sizeof handle));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_MAP_FAILED,
            cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
  close(ends[0]);
  close(ends[1]);
}

using EnvIpcExporter = InContext;

TEST_F(EnvIpcExporter, SendsAHandle) {
  int to = -1;
  ASSERT_TRUE(receive("SIM_IPC_GO", &to));
  CUdeviceptr memory = 0;
  CUipcMemHandle handle;
  ASSERT_OK(cuMemAlloc(&memory, 1000));
  ASSERT_OK(cuIpcGetMemHandle(&handle, memory));
  EXPECT_EQ(static_cast<ssize_t>(sizeof handle), write(to, &handle, sizeof handle));
}

using DmaBuf = InContext;

CUresult dma_buf(int* out, CUdeviceptr at, size_t bytes, unsigned long long flags = 0) {
  return cuMemGetHandleForAddressRange(out, at, bytes, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, flags);
}

unsigned first_word(int file) {
  unsigned word = 0;
  EXPECT_EQ(static_cast<ssize_t>(sizeof word), read(file, &word, sizeof word));
  return word;
}

TEST_F(DmaBuf, TheDescriptorReadsTheBytes) {
  CUdeviceptr memory = 0;
  ASSERT_OK(cuMemAlloc(&memory, kMiB));
  put(memory + 8192, kAfter);
  int file = -1;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, dma_buf(&file, memory + 512, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, dma_buf(&file, memory, 1000));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, dma_buf(&file, memory, 2 * kMiB));
  EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED,
            dma_buf(&file, memory, 4096, CU_MEM_RANGE_FLAG_DMA_BUF_MAPPING_TYPE_PCIE));
  ASSERT_OK(dma_buf(&file, memory + 8192, 4096));
  EXPECT_EQ(kAfter, first_word(file));
  close(file);
  EXPECT_OK(cuMemFree(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, dma_buf(&file, memory, 4096));
}

// A descriptor is of the memory: after a remap it still shows what was mapped before.
TEST_F(DmaBuf, ARemapLeavesTheDescriptorBehind) {
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  CUmemGenericAllocationHandle handles[2];
  CUdeviceptr base = 0;
  ASSERT_OK(cuMemAddressReserve(&base, 2 * kGranule, 0, 0, 0));
  int file = -1;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, dma_buf(&file, base, kGranule));  // not mapped
  for (auto& handle : handles) ASSERT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  ASSERT_OK(cuMemMap(base, kGranule, 0, handles[0], 0));
  ASSERT_OK(grant(base, kGranule));
  put(base, kBefore);
  ASSERT_OK(dma_buf(&file, base, kGranule));
  ASSERT_OK(cuMemUnmap(base, kGranule));
  ASSERT_OK(cuMemMap(base, kGranule, 0, handles[1], 0));
  ASSERT_OK(grant(base, kGranule));
  put(base, kAfter);
  EXPECT_EQ(kBefore, first_word(file));
  close(file);
  EXPECT_OK(cuMemUnmap(base, kGranule));
  for (const auto handle : handles) EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemAddressFree(base, 2 * kGranule));
}

// A copy within the device returns before it has happened, unless one of its sides asks otherwise.
TEST_F(DmaBuf, SyncMemopsIsForOrdinaryMemory) {
  CUdeviceptr memory = 0, pooled = 0;
  ASSERT_OK(cuMemAlloc(&memory, 100));
  ASSERT_OK(cuMemAllocAsync(&pooled, 100, nullptr));
  const int on = 1;
  int got = 0;
  EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED,
            cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, pooled));
  EXPECT_OK(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, memory));
  EXPECT_OK(cuPointerGetAttribute(&got, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, memory));
  EXPECT_EQ(1, got);
  for (int round = 0; round < 200; ++round) {
    EXPECT_OK(cuMemcpyDtoD(memory, memory + 64, 4));
    EXPECT_OK(cuStreamQuery(nullptr));  // nothing is left under way
  }
  EXPECT_OK(cuMemFreeAsync(pooled, nullptr));
  EXPECT_OK(cuMemFree(memory));
}

}  // namespace
