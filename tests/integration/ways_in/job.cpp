// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/ways_in/job.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace ways {
namespace {

constexpr const char* kPtx = R"(
.version 7.0
.target sm_50
.address_size 64
.visible .entry mark(.param .u64 at, .param .u32 value) {
  .reg .b64 %p, %g;
  .reg .b32 %v;
  ld.param.u64 %p, [at];
  ld.param.u32 %v, [value];
  cvta.to.global.u64 %g, %p;
  st.global.u32 [%g], %v;
  ret;
}
)";

constexpr size_t kBytes = size_t{4} << 20;  // above every threshold: served
constexpr int kRounds = 5;

std::atomic<int> allocations{0}, frees{0}, launches{0};

void must(CUresult result, const char* what) {
  if (result != CUDA_SUCCESS) fail(what, result);
}

void mark_and_check(const Api& api, CUfunction mark, CUdeviceptr at, unsigned value) {
  void* params[] = {&at, &value};
  must(api.cuLaunchKernel_at(mark, 1, 1, 1, 1, 1, 1, 0, nullptr, params, nullptr), "launch");
  ++launches;
  unsigned seen = 0;
  must(api.cuMemcpyDtoH_at(&seen, at, sizeof seen), "copy");
  if (seen != value) fail("the kernel's value did not come back", static_cast<int>(seen));
}

}  // namespace

void fail(const char* what, int code) {
  std::fprintf(stderr, "ways_in: %s: %d\n", what, code);
  std::_Exit(1);
}

Api resolve(void* (*find)(const char*, const char*, int)) {
  Api api;
#define FUNCTION(name, symbol, since)                                                 \
  api.name##_at = reinterpret_cast<decltype(&::symbol)>(find(#name, #symbol, since)); \
  if (api.name##_at == nullptr) fail("not found: " #symbol, since);
  WAYS_FUNCTIONS(FUNCTION)
#undef FUNCTION
  return api;
}

void enter(const Api& api) {
  CUdevice device = 0;
  CUcontext context = nullptr;
  must(api.cuInit_at(0), "cuInit");
  must(api.cuDeviceGet_at(&device, 0), "cuDeviceGet");
  must(api.cuDevicePrimaryCtxRetain_at(&context, device), "cuDevicePrimaryCtxRetain");
  must(api.cuCtxSetCurrent_at(context), "cuCtxSetCurrent");
}

void work(const Api& api) {
  CUmodule module = nullptr;
  CUfunction mark = nullptr;
  must(api.cuModuleLoadData_at(&module, kPtx), "cuModuleLoadData");
  must(api.cuModuleGetFunction_at(&mark, module, "mark"), "cuModuleGetFunction");
  for (unsigned round = 0; round < kRounds; ++round) {
    CUdeviceptr at = 0;
    must(api.cuMemAlloc_at(&at, kBytes), "cuMemAlloc");
    ++allocations;
    mark_and_check(api, mark, at, 17 + round);
    must(api.cuMemFree_at(at), "cuMemFree");
    ++frees;

    must(api.cuMemAllocAsync_at(&at, kBytes, nullptr), "cuMemAllocAsync");
    ++allocations;
    mark_and_check(api, mark, at + 512, 1700 + round);  // an address inside
    must(api.cuMemFreeAsync_at(at, nullptr), "cuMemFreeAsync");
    ++frees;
  }
  must(api.cuCtxSynchronize_at(), "cuCtxSynchronize");
}

void report() {
  std::printf("{\"allocations\": %d, \"frees\": %d, \"launches\": %d}\n", allocations.load(),
              frees.load(), launches.load());
  std::fflush(stdout);
}

}  // namespace ways
