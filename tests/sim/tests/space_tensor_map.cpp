// SPDX-License-Identifier: Apache-2.0
// Tensor map descriptors: where their address is, and what the driver refuses to encode.
#include <array>

#include "tests/sim/tests/space_support.h"

namespace {

class TensorMap : public InContext {
 protected:
  void SetUp() override {
    InContext::SetUp();
    ASSERT_OK(cuMemAlloc(&memory_, kMiB));
  }
  void TearDown() override {
    EXPECT_OK(cuMemFree(memory_));
    InContext::TearDown();
  }
  CUresult tiled(CUdeviceptr at) {
    return cuTensorMapEncodeTiled(
        &map_, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, reinterpret_cast<void*>(at), dims_.data(),
        &stride_, box_.data(), steps_.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_,
        CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }
  CUdeviceptr address() const { return map_.opaque[0]; }
  CUdeviceptr memory_ = 0;
  CUtensorMap map_{};
  std::array<cuuint64_t, 3> dims_{128, 64, 8};
  cuuint64_t stride_ = 512;
  std::array<cuuint32_t, 3> box_{32, 8, 1}, steps_{1, 1, 1};
  CUtensorMapSwizzle swizzle_ = CU_TENSOR_MAP_SWIZZLE_NONE;
};

TEST_F(TensorMap, TheFirstEightBytesAreTheAddressAndNothingElse) {
  ASSERT_OK(tiled(memory_));
  EXPECT_EQ(memory_, address());
  const CUtensorMap first = map_;
  ASSERT_OK(tiled(memory_ + 4096));
  EXPECT_EQ(memory_ + 4096, address());
  EXPECT_EQ(0, memcmp(first.opaque + 1, map_.opaque + 1, sizeof map_ - 8));
  ASSERT_OK(cuTensorMapReplaceAddress(&map_, reinterpret_cast<void*>(memory_)));
  EXPECT_EQ(0, memcmp(&first, &map_, sizeof map_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuTensorMapReplaceAddress(&map_, reinterpret_cast<void*>(memory_ + 8)));
  CUtensorMap never{};
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuTensorMapReplaceAddress(&never, reinterpret_cast<void*>(memory_)));
}

TEST_F(TensorMap, TilesAreStrict) {
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_ + 8));  // alignment
  stride_ = 520;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_));
  stride_ = 512;
  box_[1] = 257;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_));
  box_ = {3, 8, 1};  // 12 bytes
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_));
  box_ = {32, 8, 1};
  swizzle_ = CU_TENSOR_MAP_SWIZZLE_64B;  // the row is 128
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_));
  swizzle_ = CU_TENSOR_MAP_SWIZZLE_128B;
  EXPECT_OK(tiled(memory_));
  steps_[0] = 9;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, tiled(memory_));
}

TEST_F(TensorMap, Im2colHoldsItsAddressToo) {
  const cuuint64_t strides[] = {512, 512 * 64};
  const int corner[] = {-1};
  const auto encode = [&](unsigned rank, unsigned pixels) {
    return cuTensorMapEncodeIm2col(&map_, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, rank,
                                   reinterpret_cast<void*>(memory_), dims_.data(), strides, corner,
                                   corner, 64, pixels, steps_.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
                                   CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
                                   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  };
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, encode(2, 64));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, encode(3, 1025));
  ASSERT_OK(encode(3, 64));
  EXPECT_EQ(memory_, address());
}

}  // namespace
