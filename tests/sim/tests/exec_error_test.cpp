// SPDX-License-Identifier: Apache-2.0
// Errors that stick: memory taken away under work in flight hurts as on hardware.
#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

using Sticky = Exec;

constexpr size_t kMapped = 2 << 20;

// Two megabytes of mapped memory, unmapped by the test.
class Mapped {
 public:
  Mapped() {
    CUmemAllocationProp properties{};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = 0;
    EXPECT_EQ(CUDA_SUCCESS, cuMemCreate(&handle_, kMapped, &properties, 0));
    EXPECT_EQ(CUDA_SUCCESS, cuMemAddressReserve(&address_, kMapped, 0, 0, 0));
    EXPECT_EQ(CUDA_SUCCESS, cuMemMap(address_, kMapped, 0, handle_, 0));
    const CUmemAccessDesc access{properties.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    EXPECT_EQ(CUDA_SUCCESS, cuMemSetAccess(address_, kMapped, &access, 1));
  }
  void unmap() { EXPECT_EQ(CUDA_SUCCESS, cuMemUnmap(address_, kMapped)); }
  CUdeviceptr address() const { return address_; }

 private:
  CUmemGenericAllocationHandle handle_ = 0;
  CUdeviceptr address_ = 0;
};

void expect_stuck(CUresult error) {
  CUdeviceptr memory = 0;
  EXPECT_EQ(error, cuCtxSynchronize());
  EXPECT_EQ(error, cuCtxSynchronize());
  EXPECT_EQ(error, cuMemAlloc_v2(&memory, 16));
  EXPECT_EQ(error, cuStreamQuery(nullptr));
}

TEST_F(Sticky, UnmapUnderAKernel) {
  CUstream s = stream();
  Mapped mapped;
  testing::internal::CaptureStderr();
  CHECK_CU(cuStreamWaitValue32_v2(s, pinned_address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(add(s, 1, mapped.address()));
  mapped.unmap();  // does not wait
  __atomic_store_n(pinned(), 1, __ATOMIC_RELEASE);
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
  expect_stuck(CUDA_ERROR_ILLEGAL_ADDRESS);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(std::string::npos, said.find("simcuda: ")) << said;
  EXPECT_NE(std::string::npos, said.find("add")) << said;
  EXPECT_EQ(said.find("simcuda: "), said.rfind("simcuda: ")) << "said more than once: " << said;
}

TEST_F(Sticky, UnmapUnderACopy) {
  CUstream s = stream();
  Mapped mapped;
  CHECK_CU(cuStreamWaitValue32_v2(s, pinned_address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(cuMemcpyDtoDAsync_v2(memory_, mapped.address(), 16, s));
  mapped.unmap();
  __atomic_store_n(pinned(), 1, __ATOMIC_RELEASE);
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
  expect_stuck(CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Sticky, UnmapUnderASetAndAMemoryOperation) {
  CUstream s = stream();
  Mapped mapped;
  CHECK_CU(cuStreamWaitValue32_v2(s, mapped.address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(cuMemsetD8Async(mapped.address(), 1, 16, s));
  mapped.unmap();
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
}

TEST_F(Sticky, NothingRunsAfterIt) {
  CUstream s = stream();
  Mapped mapped;
  mapped.unmap();
  pinned()[1] = 0;
  CHECK_CU(cuStreamWaitValue32_v2(s, pinned_address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(add(s, 1, mapped.address()));
  CHECK_CU(cuLaunchHostFunc(
      s, [](void* ran) { *static_cast<int*>(ran) = 1; }, pinned() + 1));
  CUresult seen = CUDA_SUCCESS;
  CHECK_CU(cuStreamAddCallback(
      s, [](CUstream, CUresult status, void* out) { *static_cast<CUresult*>(out) = status; }, &seen,
      0));
  __atomic_store_n(pinned(), 1, __ATOMIC_RELEASE);
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
  EXPECT_EQ(0, pinned()[1]);
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, seen);  // callbacks are told
}

TEST_F(Sticky, StaysInItsContext) {
  CUcontext other = nullptr;
  CHECK_CU(cuCtxCreate_v2(&other, 0, 0));
  CHECK_CU(cuCtxSetCurrent(context_));
  Mapped mapped;
  mapped.unmap();
  CHECK_CU(add(nullptr, 1, mapped.address()));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
  CHECK_CU(cuCtxSetCurrent(other));
  EXPECT_EQ(CUDA_SUCCESS, cuCtxSynchronize());
  CHECK_CU(cuCtxDestroy_v2(other));
}

}  // namespace
}  // namespace exec
