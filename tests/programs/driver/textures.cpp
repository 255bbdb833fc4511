// SPDX-License-Identifier: Apache-2.0
// Textures and surfaces: their kernels name an object, and the object knows where the memory is.
#include <array>

#include "tests/programs/driver/crowd.h"
#include "tests/programs/driver/kernels.h"

using namespace story;

namespace {

constexpr uint32_t kWords = 4 * kMiB / 4;

CUtexObject texture_over(const CUDA_RESOURCE_DESC& resource) {
  CUDA_TEXTURE_DESC description{};
  description.flags = CU_TRSF_READ_AS_INTEGER;
  description.addressMode[0] = description.addressMode[1] = CU_TR_ADDRESS_MODE_CLAMP;
  CUtexObject texture = 0;
  MUST(cuTexObjectCreate(&texture, &resource, &description, nullptr));
  return texture;
}

CUtexObject linear_texture(const Buffer& buffer) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_LINEAR;
  resource.res.linear = {buffer.address, CU_AD_FORMAT_UNSIGNED_INT32, 1, buffer.bytes};
  return texture_over(resource);
}

struct Plane {
  CUdeviceptr address = 0;
  size_t pitch = 0;
  uint32_t width = 1000, height = 1000;  // words, rows
};

Plane plane(uint32_t seed) {
  Plane made;
  MUST(cuMemAllocPitch(&made.address, &made.pitch, made.width * 4, made.height, 4));
  write_pattern({made.address, made.pitch * made.height}, seed);
  return made;
}

CUtexObject pitched_texture(const Plane& plane) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_PITCH2D;
  resource.res.pitch2D = {plane.address, CU_AD_FORMAT_UNSIGNED_INT32, 1, plane.width, plane.height,
                          plane.pitch};
  return texture_over(resource);
}

// What a kernel reads through a texture, added up.
class Sum {
 public:
  Sum() : at_(allocate(4096)) { MUST(cuMemsetD8(at_.address, 0, at_.bytes)); }

  void of(CUtexObject texture) {
    uint32_t words = kWords, stride = kStride;
    void* arguments[] = {&at_.address, &texture, &words, &stride};
    launch("sum_texture", arguments);
  }
  void of(CUtexObject texture, const Plane& plane) {
    uint32_t width = plane.width, height = plane.height, stride = kStride;
    void* arguments[] = {&at_.address, &texture, &width, &height, &stride};
    launch("sum_texture_plane", arguments);
  }
  void tell() const {
    uint32_t value = 0;
    MUST(cuMemcpyDtoH(&value, at_.address, sizeof value));
    say("sum %08x", value);
  }

 private:
  Buffer at_;
};

CUDA_MEMCPY2D between(const Buffer& buffer, CUarray array, bool into_the_array) {
  CUDA_MEMCPY2D copy{};
  copy.WidthInBytes = 4096;
  copy.Height = 1024;
  copy.srcMemoryType = into_the_array ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_ARRAY;
  copy.dstMemoryType = into_the_array ? CU_MEMORYTYPE_ARRAY : CU_MEMORYTYPE_DEVICE;
  (into_the_array ? copy.srcDevice : copy.dstDevice) = buffer.address;
  (into_the_array ? copy.srcPitch : copy.dstPitch) = 4096;
  (into_the_array ? copy.dstArray : copy.srcArray) = array;
  return copy;
}

}  // namespace

STORY(over_linear_memory) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const std::array textures = {linear_texture(buffers[0]), linear_texture(buffers[1])};
  Sum sum;
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    sum.of(textures[round % 2]);
    sum.tell();
  }
  for (const CUtexObject texture : textures) MUST(cuTexObjectDestroy(texture));
  expect(buffers, 0, 0, 3);
}

STORY(over_pitched_memory) {
  begin();
  const std::array planes = {plane(7), plane(8)};
  const std::vector<Buffer> buffers = filled();
  const std::array textures = {pitched_texture(planes[0]), pitched_texture(planes[1])};
  Sum sum;
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    sum.of(textures[round % 2], planes[round % 2]);
    sum.tell();
  }
  for (const CUtexObject texture : textures) MUST(cuTexObjectDestroy(texture));
  expect(buffers, 0, 0, 3);
}

// Each buffer was held still once, by its texture; with all textures gone, everything moves.
STORY(textures_that_are_destroyed) {
  begin();
  const std::vector<Buffer> buffers = filled();
  Sum sum;
  for (uint32_t round = 0; round < 2; ++round) {
    for (const Buffer& buffer : buffers) {
      const CUtexObject texture = linear_texture(buffer);
      sum.of(texture);
      MUST(cuCtxSynchronize());
      MUST(cuTexObjectDestroy(texture));
    }
  }
  expect_that_all_move(buffers, 1);
  sum.tell();
  expect(buffers, 1, 1, 1);
}

// As some do by mistake, which the driver allows: the memory is freed first, and somebody else gets
// its place.
STORY(a_texture_that_outlives_its_memory) {
  begin();
  std::vector<Buffer> buffers = filled();
  const CUtexObject texture = linear_texture(buffers[0]);
  release(buffers[0]);
  buffers[0] = allocate(4 * kMiB);
  write_pattern(buffers[0], 0);
  expect_that_all_move(buffers, 1);
  MUST(cuTexObjectDestroy(texture));
  expect_that_all_move(buffers, 1);
  expect(buffers, 2, 2, 2);
}

// An array is memory of the driver's own; what is copied into it and out of it is not.
STORY(a_surface_over_an_array) {
  begin();
  const std::vector<Buffer> buffers = filled();
  CUDA_ARRAY3D_DESCRIPTOR shape{
      1024, 1024, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1, CUDA_ARRAY3D_SURFACE_LDST};
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  MUST(cuArray3DCreate(&resource.res.array.hArray, &shape));
  CUsurfObject surface = 0;
  MUST(cuSurfObjectCreate(&surface, &resource));
  const CUtexObject texture = texture_over(resource);
  Sum sum;
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    CUDA_MEMCPY2D copy = between(buffers[0], resource.res.array.hArray, true);
    MUST(cuMemcpy2DAsync(&copy, nullptr));
    uint32_t width = 1024, height = 1024, stride = kStride, value = 10;
    void* arguments[] = {&surface, &width, &height, &stride, &value};
    launch("add_to_surface", arguments);
    press(buffers);
    copy = between(buffers[0], resource.res.array.hArray, false);
    MUST(cuMemcpy2DAsync(&copy, nullptr));
    sum.of(texture, {0, 0, width, height});
    sum.tell();
  }
  MUST(cuTexObjectDestroy(texture));
  MUST(cuSurfObjectDestroy(surface));
  MUST(cuArrayDestroy(resource.res.array.hArray));
  expect(buffers, 30, 0, 6);
}
