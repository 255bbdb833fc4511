// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects over linear memory, pitched memory and arrays of two dimensions. The
// address is what the object holds: nothing keeps the memory behind it.
#include "tests/sim/driver/texture.h"

#include <map>
#include <memory>
#include <mutex>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/array.h"
#include "tests/sim/driver/space.h"

namespace sim {
namespace {

constexpr size_t kAlignment = 512;      // TEXTURE_ALIGNMENT
constexpr size_t kPitchAlignment = 32;  // TEXTURE_PITCH_ALIGNMENT

struct Object {
  const Context* context = nullptr;
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC description{};
  ptx::Texture texture;
  std::shared_ptr<Array> array;
};

struct Table {
  std::mutex mutex;
  std::map<uint64_t, Object> all;
  uint64_t last = 0x10000;
};

Table& table() {
  static auto* objects = new Table;
  return *objects;
}

ptx::Texture::Kind kind_of(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_HALF:
    case CU_AD_FORMAT_FLOAT:
      return ptx::Texture::Kind::Float;
    case CU_AD_FORMAT_SIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT32:
      return ptx::Texture::Kind::Signed;
    default:
      return ptx::Texture::Kind::Unsigned;
  }
}

CUresult set_format(CUarray_format format, unsigned channels, ptx::Texture* out) {
  out->bytes = format_bytes(format);
  out->channels = channels;
  out->kind = kind_of(format);
  if (channels != 1 && channels != 2 && channels != 4) return CUDA_ERROR_INVALID_VALUE;
  return out->bytes ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult read_linear(const CUDA_RESOURCE_DESC& resource, int device, ptx::Texture* out) {
  const auto& r = resource.res.linear;
  if (const CUresult status = set_format(r.format, r.numChannels, out)) return status;
  out->address = r.devPtr;
  out->width = r.sizeInBytes / (out->bytes * out->channels);
  if (r.devPtr % kAlignment || !out->width) return CUDA_ERROR_INVALID_VALUE;
  return accessible(device, r.devPtr, r.sizeInBytes, false) ? CUDA_SUCCESS
                                                            : CUDA_ERROR_INVALID_VALUE;
}

CUresult read_pitched(const CUDA_RESOURCE_DESC& resource, int device, ptx::Texture* out) {
  const auto& r = resource.res.pitch2D;
  if (const CUresult status = set_format(r.format, r.numChannels, out)) return status;
  out->address = r.devPtr;
  out->width = r.width, out->height = r.height, out->pitch = r.pitchInBytes;
  const size_t row = r.width * out->bytes * out->channels;
  if (r.devPtr % kAlignment || r.pitchInBytes % kPitchAlignment || !r.width || !r.height ||
      r.pitchInBytes < row) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return accessible(device, r.devPtr, (r.height - 1) * r.pitchInBytes + row, false)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

CUresult read_array(const CUDA_RESOURCE_DESC& resource, Object* out) {
  out->array = find_array(resource.res.array.hArray);
  if (!out->array) return CUDA_ERROR_INVALID_HANDLE;
  const auto& is = out->array->described;
  if (is.Depth > 1) return CUDA_ERROR_NOT_SUPPORTED;
  out->texture.address = out->array->address;
  out->texture.width = is.Width;
  out->texture.height = out->array->height;
  out->texture.pitch = out->array->pitch;
  return set_format(is.Format, is.NumChannels, &out->texture);
}

CUresult read_resource(const CUDA_RESOURCE_DESC& resource, const Context& context, Object* out) {
  if (resource.flags) return CUDA_ERROR_INVALID_VALUE;
  out->context = &context;
  out->resource = resource;
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_LINEAR:
      return read_linear(resource, context.device, &out->texture);
    case CU_RESOURCE_TYPE_PITCH2D:
      return read_pitched(resource, context.device, &out->texture);
    case CU_RESOURCE_TYPE_ARRAY:
      return read_array(resource, out);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult read_description(const CUDA_TEXTURE_DESC& asked, Object* out) {
  ptx::Texture& t = out->texture;
  constexpr unsigned kKnown = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES |
                              CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION;
  if (asked.flags & ~kKnown) return CUDA_ERROR_NOT_SUPPORTED;
  const bool integers = t.kind != ptx::Texture::Kind::Float;
  t.values_normalized = integers && !(asked.flags & CU_TRSF_READ_AS_INTEGER) && t.bytes < 4;
  t.normalized = asked.flags & CU_TRSF_NORMALIZED_COORDINATES;
  t.linear = asked.filterMode == CU_TR_FILTER_MODE_LINEAR;
  if (t.linear && integers && !t.values_normalized) return CUDA_ERROR_INVALID_VALUE;
  const bool linear_memory = out->resource.resType == CU_RESOURCE_TYPE_LINEAR;
  for (int i = 0; i < 2; ++i) {
    if (asked.addressMode[i] > CU_TR_ADDRESS_MODE_BORDER) return CUDA_ERROR_INVALID_VALUE;
    t.edges[i] = static_cast<ptx::Texture::Edge>(asked.addressMode[i]);
    // Wrapping needs coordinates from 0 to 1; a fetch behind linear memory gives 0.
    const bool repeats =
        t.edges[i] == ptx::Texture::Edge::Wrap || t.edges[i] == ptx::Texture::Edge::Mirror;
    if (repeats && !t.normalized) t.edges[i] = ptx::Texture::Edge::Clamp;
    if (linear_memory) t.edges[i] = ptx::Texture::Edge::Border;
  }
  out->description = asked;
  return CUDA_SUCCESS;
}

uint64_t keep(Object object) {
  std::lock_guard lock(table().mutex);
  const uint64_t handle = ++table().last;
  table().all.emplace(handle, std::move(object));
  return handle;
}

// The object of this kind, asked for its description.
template <class Give>
CUresult look(uint64_t handle, bool surface, const void* out, Give&& give) {
  std::lock_guard lock(table().mutex);
  const auto it = table().all.find(handle);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (it == table().all.end() || it->second.texture.surface != surface) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  give(it->second);
  return CUDA_SUCCESS;
}

CUresult destroy(uint64_t handle, bool surface) {
  std::lock_guard lock(table().mutex);
  const auto it = table().all.find(handle);
  if (it == table().all.end() || it->second.texture.surface != surface) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  table().all.erase(it);
  return CUDA_SUCCESS;
}

}  // namespace

bool find_texture(uint64_t handle, ptx::Texture* out) {
  std::lock_guard lock(table().mutex);
  const auto it = table().all.find(handle);
  if (it == table().all.end() || it->second.context != current_context()) return false;
  *out = it->second.texture;
  return true;
}

void forget_textures(const Context* context) {
  std::lock_guard lock(table().mutex);
  std::erase_if(table().all, [context](const auto& one) { return one.second.context == context; });
}

}  // namespace sim

SIM_API cuTexObjectCreate(CUtexObject* out, const CUDA_RESOURCE_DESC* resource,
                          const CUDA_TEXTURE_DESC* description,
                          const CUDA_RESOURCE_VIEW_DESC* view) {
  SIM_ENTER_CONTEXT(cuTexObjectCreate, context);
  if (!out || !resource || !description) return CUDA_ERROR_INVALID_VALUE;
  if (view) {
    return resource->resType == CU_RESOURCE_TYPE_ARRAY ? CUDA_ERROR_NOT_SUPPORTED
                                                       : CUDA_ERROR_INVALID_VALUE;
  }
  sim::Object object;
  if (const CUresult status = sim::read_resource(*resource, *context, &object)) return status;
  if (const CUresult status = sim::read_description(*description, &object)) return status;
  *out = sim::keep(std::move(object));
  return CUDA_SUCCESS;
}

SIM_API cuTexObjectDestroy(CUtexObject handle) {
  SIM_ENTER_CONTEXT(cuTexObjectDestroy, context);
  return sim::destroy(handle, false);
}

SIM_API cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* out, CUtexObject handle) {
  SIM_ENTER_CONTEXT(cuTexObjectGetResourceDesc, context);
  return sim::look(handle, false, out, [out](const sim::Object& one) { *out = one.resource; });
}

SIM_API cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* out, CUtexObject handle) {
  SIM_ENTER_CONTEXT(cuTexObjectGetTextureDesc, context);
  return sim::look(handle, false, out, [out](const sim::Object& one) { *out = one.description; });
}

SIM_API cuSurfObjectCreate(CUsurfObject* out, const CUDA_RESOURCE_DESC* resource) {
  SIM_ENTER_CONTEXT(cuSurfObjectCreate, context);
  if (!out || !resource || resource->resType != CU_RESOURCE_TYPE_ARRAY) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  sim::Object object;
  if (const CUresult status = sim::read_resource(*resource, *context, &object)) return status;
  if (!(object.array->described.Flags & CUDA_ARRAY3D_SURFACE_LDST)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  object.texture.surface = true;
  *out = sim::keep(std::move(object));
  return CUDA_SUCCESS;
}

SIM_API cuSurfObjectDestroy(CUsurfObject handle) {
  SIM_ENTER_CONTEXT(cuSurfObjectDestroy, context);
  return sim::destroy(handle, true);
}

SIM_API cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* out, CUsurfObject handle) {
  SIM_ENTER_CONTEXT(cuSurfObjectGetResourceDesc, context);
  return sim::look(handle, true, out, [out](const sim::Object& one) { *out = one.resource; });
}
