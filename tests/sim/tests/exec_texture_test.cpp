// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects: kernels that know memory only by a handle.
#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

// fetch(tex, i, out): texel i of linear memory. sample(tex, x, y, out): at a point.
// bump(surf, x, y): adds 1 to the int at byte x of row y.
constexpr char kTexturePtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry fetch(.param .u64 t, .param .u32 i, .param .u64 out)
{
  .reg .b32 %r<2>;
  .reg .f32 %f<5>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [t];
  ld.param.u32 %r1, [i];
  ld.param.u64 %rd2, [out];
  tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd1, {%r1}];
  st.global.f32 [%rd2], %f1;
  ret;
}
.visible .entry sample(.param .u64 t, .param .f32 x, .param .f32 y, .param .u64 out)
{
  .reg .f32 %f<7>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [t];
  ld.param.f32 %f5, [x];
  ld.param.f32 %f6, [y];
  ld.param.u64 %rd2, [out];
  tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%rd1, {%f5, %f6}];
  st.global.f32 [%rd2], %f1;
  ret;
}
.visible .entry bump(.param .u64 s, .param .u32 x, .param .u32 y)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [s];
  ld.param.u32 %r1, [x];
  ld.param.u32 %r2, [y];
  suld.b.2d.b32.trap {%r3}, [%rd1, {%r1, %r2}];
  add.u32 %r3, %r3, 1;
  sust.b.2d.b32.trap [%rd1, {%r1, %r2}], {%r3};
  ret;
}
)";

class Texture : public Exec {
 protected:
  static constexpr size_t kWidth = 8, kHeight = 4, kPitch = 512;
  void SetUp() override {
    Exec::SetUp();
    CHECK_CU(cuModuleLoadData(&kernels_, kTexturePtx));
    CHECK_CU(cuMemAlloc_v2(&texels_, kPitch * kHeight));
    std::vector<float> values(kPitch / 4 * kHeight);
    for (size_t y = 0; y < kHeight; y++) {
      for (size_t x = 0; x < kWidth; x++) values[y * kPitch / 4 + x] = value(x, y);
    }
    CHECK_CU(cuMemcpyHtoD_v2(texels_, values.data(), kPitch * kHeight));
    CHECK_CU(cuCtxSynchronize());
    linear_.resType = CU_RESOURCE_TYPE_LINEAR;
    linear_.res.linear = {texels_, CU_AD_FORMAT_FLOAT, 1, kWidth * 4};
    pitched_.resType = CU_RESOURCE_TYPE_PITCH2D;
    pitched_.res.pitch2D = {texels_, CU_AD_FORMAT_FLOAT, 1, kWidth, kHeight, kPitch};
    for (auto& mode : clamp_.addressMode) mode = CU_TR_ADDRESS_MODE_CLAMP;
  }
  static float value(size_t x, size_t y) { return static_cast<float>(10 * y + x); }
  template <class... Values>
  CUresult launch(const char* name, Values... values) {
    CUfunction function = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuModuleGetFunction(&function, kernels_, name));
    void* parameters[] = {&values...};
    const CUresult status =
        cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr);
    return status ? status : cuCtxSynchronize();
  }
  float result() {
    float got = -1;
    EXPECT_EQ(CUDA_SUCCESS, cuMemcpyDtoH_v2(&got, memory_, sizeof got));
    return got;
  }
  float fetched(CUtexObject texture, int index) {
    EXPECT_EQ(CUDA_SUCCESS, launch("fetch", texture, index, memory_));
    return result();
  }
  float sampled(CUtexObject texture, float x, float y) {
    EXPECT_EQ(CUDA_SUCCESS, launch("sample", texture, x, y, memory_));
    return result();
  }
  CUresult create(const CUDA_RESOURCE_DESC& resource, const CUDA_TEXTURE_DESC& description) {
    return cuTexObjectCreate(&texture_, &resource, &description, nullptr);
  }
  CUmodule kernels_ = nullptr;
  CUdeviceptr texels_ = 0;
  CUDA_RESOURCE_DESC linear_{}, pitched_{};
  CUDA_TEXTURE_DESC clamp_{};
  CUtexObject texture_ = 0;
};

TEST_F(Texture, LinearMemoryIsFetchedByIndex) {
  CHECK_CU(create(linear_, clamp_));
  EXPECT_EQ(value(3, 0), fetched(texture_, 3));
  EXPECT_EQ(0, fetched(texture_, kWidth));  // behind the end
  CUDA_RESOURCE_DESC back{};
  CHECK_CU(cuTexObjectGetResourceDesc(&back, texture_));
  EXPECT_EQ(texels_, back.res.linear.devPtr);
  CHECK_CU(cuTexObjectDestroy(texture_));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuTexObjectDestroy(texture_));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, launch("fetch", texture_, 0, memory_));
}

// The object keeps an address, and nothing behind it.
TEST_F(Texture, FreedMemoryFaults) {
  CHECK_CU(create(linear_, clamp_));
  CHECK_CU(cuMemFree_v2(texels_));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, launch("fetch", texture_, 0, memory_));
}

TEST_F(Texture, PitchedMemoryIsSampled) {
  CHECK_CU(create(pitched_, clamp_));
  EXPECT_EQ(value(2, 3), sampled(texture_, 2.7f, 3.2f));
  EXPECT_EQ(value(7, 0), sampled(texture_, 100, -5));
  CUDA_TEXTURE_DESC smooth = clamp_;
  smooth.filterMode = CU_TR_FILTER_MODE_LINEAR;
  CHECK_CU(create(pitched_, smooth));
  EXPECT_EQ((value(1, 1) + value(2, 1)) / 2, sampled(texture_, 2.0f, 1.5f));
  smooth.flags = CU_TRSF_NORMALIZED_COORDINATES;
  for (auto& mode : smooth.addressMode) mode = CU_TR_ADDRESS_MODE_WRAP;
  CHECK_CU(create(pitched_, smooth));
  EXPECT_EQ(value(0, 1), sampled(texture_, 1 + 0.5f / kWidth, 1.5f / kHeight));
}

TEST_F(Texture, CreationIsStrict) {
  CUDA_RESOURCE_DESC bad = linear_;
  bad.res.linear.devPtr += 4;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, create(bad, clamp_));  // alignment
  bad = linear_;
  bad.res.linear.sizeInBytes = 1 << 30;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, create(bad, clamp_));  // not all there
  bad = pitched_;
  bad.res.pitch2D.pitchInBytes = kWidth * 4 + 4;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, create(bad, clamp_));
  bad = linear_;
  bad.res.linear.numChannels = 3;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, create(bad, clamp_));
  bad = linear_;
  bad.res.linear.format = CU_AD_FORMAT_UNSIGNED_INT32;
  CUDA_TEXTURE_DESC smooth = clamp_;
  smooth.filterMode = CU_TR_FILTER_MODE_LINEAR;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, create(bad, smooth));
}

TEST_F(Texture, ArraysAreCopiedSampledAndWritten) {
  CUDA_ARRAY3D_DESCRIPTOR wanted{};
  wanted.Width = kWidth, wanted.Height = kHeight;
  wanted.Format = CU_AD_FORMAT_FLOAT, wanted.NumChannels = 1;
  CUarray array = nullptr;
  CHECK_CU(cuArray3DCreate_v2(&array, &wanted));
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  resource.res.array.hArray = array;
  CUsurfObject surface = 0;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(&surface, &resource));  // not for writing
  CHECK_CU(cuArrayDestroy(array));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, create(resource, clamp_));
  wanted.Flags = CUDA_ARRAY3D_SURFACE_LDST;
  CHECK_CU(cuArray3DCreate_v2(&array, &wanted));
  resource.res.array.hArray = array;
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = texels_, copy.srcPitch = kPitch;
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  copy.dstArray = array;
  copy.WidthInBytes = kWidth * 4, copy.Height = kHeight;
  CHECK_CU(cuMemcpy2D_v2(&copy));
  CHECK_CU(create(resource, clamp_));
  EXPECT_EQ(value(5, 2), sampled(texture_, 5.5f, 2.5f));
  CHECK_CU(cuSurfObjectCreate(&surface, &resource));
  CHECK_CU(launch("bump", surface, 4, 1));  // the bits of a float plus one: just above it
  EXPECT_LT(value(1, 1), sampled(texture_, 1.5f, 1.5f));
  EXPECT_GT(value(1, 1) + 0.001f, sampled(texture_, 1.5f, 1.5f));
  CHECK_CU(cuSurfObjectDestroy(surface));
  CHECK_CU(cuSurfObjectCreate(&surface, &resource));
  EXPECT_EQ(CUDA_ERROR_LAUNCH_FAILED, launch("bump", surface, 4, static_cast<int>(kHeight)));
}

}  // namespace
}  // namespace exec
