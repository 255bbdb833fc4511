// SPDX-License-Identifier: Apache-2.0
// Who may access whose memory: two devices, a kernel on one and memory on the other.
#include "tests/sim/tests/space_support.h"

namespace {

constexpr char kPtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .global .align 4 .u32 counter = 7;
.visible .entry bump(.param .u64 p)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [p];
  cvta.to.global.u64 %rd1, %rd1;
  ld.global.u32 %r1, [%rd1];
  add.u32 %r1, %r1, 1;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";

// A context on each of two devices; the kernel is loaded in the first one, which is current.
class Peer : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(cuInit(0));
    ASSERT_OK(cuCtxCreate(&there_, nullptr, 0, 1));
    ASSERT_OK(cuMemAlloc(&memory_, sizeof(int)));
    ASSERT_OK(cuMemsetD32(memory_, 41, 1));
    ASSERT_OK(cuCtxSynchronize());
    ASSERT_OK(cuCtxCreate(&here_, nullptr, 0, 0));
    ASSERT_OK(cuModuleLoadData(&module_, kPtx));
    ASSERT_OK(cuModuleGetFunction(&bump_, module_, "bump"));
  }
  void TearDown() override {
    EXPECT_OK(cuCtxDestroy(here_));
    if (there_) {
      EXPECT_OK(cuCtxDestroy(there_));
    }
  }
  // What the kernel on device 0 ends with.
  CUresult bump(CUdeviceptr at) {
    void* parameters[] = {&at};
    const CUresult status =
        cuLaunchKernel(bump_, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr);
    return status == CUDA_SUCCESS ? cuCtxSynchronize() : status;
  }
  int value(CUdeviceptr at) {
    int got = 0;
    EXPECT_OK(cuMemcpyPeer(scratch(), here_, at, there_, sizeof got));
    EXPECT_OK(cuMemcpyDtoH(&got, scratch(), sizeof got));
    return got;
  }
  CUdeviceptr scratch() {
    if (!scratch_) {
      EXPECT_OK(cuMemAlloc(&scratch_, 2 * sizeof(int)));
    }
    return scratch_;
  }
  CUcontext here_ = nullptr, there_ = nullptr;
  CUmodule module_ = nullptr;
  CUfunction bump_ = nullptr;
  CUdeviceptr memory_ = 0, scratch_ = 0;
};

TEST_F(Peer, AKernelFaultsWithoutPeerAccess) {
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(memory_));
}

TEST_F(Peer, AKernelReachesOldAndNewMemoryOnceEnabled) {
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_OK(bump(memory_));
  EXPECT_EQ(42, value(memory_));
  CUdeviceptr later = 0;
  EXPECT_OK(cuCtxPushCurrent(there_));
  EXPECT_OK(cuMemAlloc(&later, sizeof(int)));
  EXPECT_OK(cuMemsetD32(later, 1, 1));
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_OK(bump(later));
  EXPECT_EQ(2, value(later));
}

TEST_F(Peer, AModuleVariableIsAPeersToo) {
  CUdeviceptr counter = 0;
  CUmodule module = nullptr;
  EXPECT_OK(cuCtxPushCurrent(there_));
  EXPECT_OK(cuModuleLoadData(&module, kPtx));
  EXPECT_OK(cuModuleGetGlobal(&counter, nullptr, module, "counter"));
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_OK(bump(counter));
  EXPECT_EQ(8, value(counter));
}

TEST_F(Peer, AKernelFaultsAgainOnceDisabled) {
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_OK(bump(memory_));
  EXPECT_OK(cuCtxDisablePeerAccess(there_));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(memory_));
}

TEST_F(Peer, AccessIsOneWay) {
  EXPECT_OK(cuCtxPushCurrent(there_));
  EXPECT_OK(cuCtxEnablePeerAccess(here_, 0));
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(memory_));
}

TEST_F(Peer, TheCallsAreStrict) {
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuCtxEnablePeerAccess(there_, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(here_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(nullptr, 0));
  CUcontext neighbour = nullptr;
  EXPECT_OK(cuCtxCreate(&neighbour, nullptr, 0, 0));
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cuCtxEnablePeerAccess(neighbour, 0));
  EXPECT_OK(cuCtxDestroy(neighbour));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(there_));
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(there_, 0));
  EXPECT_OK(cuCtxDisablePeerAccess(there_));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(there_));
  EXPECT_OK(cuCtxDestroy(there_));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(there_, 0));
  there_ = nullptr;
}

// What the driver copies by itself needs no peer access for memory of cuMemAlloc.
TEST_F(Peer, CopiesOfOrdinaryMemoryNeedNoAccess) {
  const CUdeviceptr to = scratch();
  int got = 0;
  EXPECT_OK(cuMemcpyDtoD(to, memory_, sizeof got));
  EXPECT_OK(cuMemcpyDtoH(&got, to, sizeof got));
  EXPECT_EQ(41, got);
}

// A mapping on device 1, 42 in it; device 0 has no access.
class PeerMapping : public Peer {
 protected:
  void SetUp() override {
    Peer::SetUp();
    const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE, 1);
    ASSERT_OK(cuMemCreate(&handle_, kGranule, &prop, 0));
    ASSERT_OK(cuMemAddressReserve(&mapped_, kGranule, 0, 0, 0));
    ASSERT_OK(cuMemMap(mapped_, kGranule, 0, handle_, 0));
    const CUmemAccessDesc owner =
        access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
    ASSERT_OK(cuMemSetAccess(mapped_, kGranule, &owner, 1));
    ASSERT_OK(cuCtxPushCurrent(there_));
    ASSERT_OK(cuMemsetD32(mapped_, 42, 1));
    ASSERT_OK(cuCtxSynchronize());
    ASSERT_OK(cuCtxPopCurrent(nullptr));
  }
  void TearDown() override {
    EXPECT_OK(cuCtxDestroy(here_));
    here_ = nullptr;
    EXPECT_OK(cuMemUnmap(mapped_, kGranule));
    EXPECT_OK(cuMemRelease(handle_));
    EXPECT_OK(cuMemAddressFree(mapped_, kGranule));
    EXPECT_OK(cuCtxDestroy(there_));
  }
  CUmemGenericAllocationHandle handle_ = 0;
  CUdeviceptr mapped_ = 0;
};

TEST_F(PeerMapping, PeerAccessOfContextsDoesNotConcernIt) {
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(mapped_));
}

TEST_F(PeerMapping, AccessIsPerDevice) {
  EXPECT_OK(grant(mapped_, kGranule));
  EXPECT_OK(bump(mapped_));
  EXPECT_EQ(43, value(mapped_));
  EXPECT_OK(grant(mapped_, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READ));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(mapped_));  // it writes
}

TEST_F(PeerMapping, ARemapForgetsThePeer) {
  EXPECT_OK(grant(mapped_, kGranule));
  EXPECT_OK(cuMemUnmap(mapped_, kGranule));
  EXPECT_OK(cuMemMap(mapped_, kGranule, 0, handle_, 0));
  const CUmemAccessDesc owner =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
  EXPECT_OK(cuMemSetAccess(mapped_, kGranule, &owner, 1));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(mapped_));
}

// Only a peer copy says from whose side each address is seen.
TEST_F(PeerMapping, APlainCopyNeedsAccessAndAPeerCopyDoesNot) {
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(scratch(), mapped_, sizeof(int)));
  EXPECT_EQ(42, value(mapped_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyPeer(scratch(), here_, mapped_, here_, sizeof(int)));
  CUDA_MEMCPY3D_PEER shaped{};
  shaped.srcMemoryType = shaped.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  shaped.srcDevice = mapped_, shaped.srcContext = there_;
  shaped.dstDevice = scratch(), shaped.dstContext = here_;
  shaped.WidthInBytes = sizeof(int), shaped.Height = shaped.Depth = 1;
  EXPECT_OK(cuMemcpy3DPeer(&shaped));
  shaped.srcContext = here_;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DPeer(&shaped));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(mapped_, 0, 1));
  unsigned flags = ~0u;
  EXPECT_OK(cuPointerGetAttribute(&flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, mapped_));
  EXPECT_EQ(unsigned{CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE}, flags);
}

TEST_F(Peer, PoolMemoryHasItsOwnAccessCall) {
  CUmemoryPool pool = nullptr;
  CUdeviceptr block = 0;
  EXPECT_OK(cuCtxPushCurrent(there_));
  EXPECT_OK(cuDeviceGetDefaultMemPool(&pool, 1));
  EXPECT_OK(cuMemAllocAsync(&block, sizeof(int), nullptr));
  EXPECT_OK(cuMemsetD32(block, 5, 1));
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_OK(cuCtxEnablePeerAccess(there_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(scratch(), block, sizeof(int)));
  const CUmemAccessDesc all =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  const CUmemAccessDesc none =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  EXPECT_OK(cuMemPoolSetAccess(pool, &all, 1));
  EXPECT_OK(bump(block));
  EXPECT_EQ(6, value(block));
  EXPECT_OK(cuMemPoolSetAccess(pool, &none, 1));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, bump(block));
  EXPECT_OK(cuCtxPushCurrent(there_));
  EXPECT_OK(cuMemFree(block));
  EXPECT_OK(cuCtxPopCurrent(nullptr));
}

TEST(EnvNoPeers, NothingGrantsAccess) {
  ASSERT_OK(cuInit(0));
  int can = 1;
  EXPECT_OK(cuDeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(0, can);
  can = 1;
  EXPECT_OK(cuDeviceGetP2PAttribute(&can, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1));
  EXPECT_EQ(0, can);
  CUcontext there = nullptr, here = nullptr;
  ASSERT_OK(cuCtxCreate(&there, nullptr, 0, 1));
  ASSERT_OK(cuCtxCreate(&here, nullptr, 0, 0));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cuCtxEnablePeerAccess(there, 0));
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE, 1);
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr at = 0;
  EXPECT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  EXPECT_OK(cuMemAddressReserve(&at, kGranule, 0, 0, 0));
  EXPECT_OK(cuMemMap(at, kGranule, 0, handle, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, grant(at, kGranule));
  CUmemoryPool pool = nullptr;
  EXPECT_OK(cuDeviceGetDefaultMemPool(&pool, 1));
  const CUmemAccessDesc all =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cuMemPoolSetAccess(pool, &all, 1));
}

}  // namespace
