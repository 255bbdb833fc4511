// SPDX-License-Identifier: Apache-2.0
// Arrays of one to three dimensions; neither layers nor mipmaps.
#include "tests/sim/driver/array.h"

#include <algorithm>
#include <mutex>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/handles.h"
#include "tests/sim/driver/space.h"
#include "tests/sim/driver/store.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

struct Table {
  std::mutex mutex;
  Handles<Array, CUarray> all;
};

Table& table() {
  static auto* arrays = new Table;
  return *arrays;
}

CUresult create(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR& wanted, Context* context) {
  const unsigned element = format_bytes(wanted.Format) * wanted.NumChannels;
  const bool channels =
      wanted.NumChannels == 1 || wanted.NumChannels == 2 || wanted.NumChannels == 4;
  if (!out || !wanted.Width || !channels || (wanted.Depth && !wanted.Height)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!element || (wanted.Flags & ~CUDA_ARRAY3D_SURFACE_LDST)) return CUDA_ERROR_NOT_SUPPORTED;
  if (const CUresult status = forbid_in_capture()) return status;
  auto made = std::make_shared<Array>();
  constexpr size_t kPitch = 512;
  made->context = context;
  made->described = wanted;
  made->pitch = round_up(wanted.Width * element, kPitch);
  made->height = std::max<size_t>(wanted.Height, 1);
  made->address = allocate_internal(
      context, made->pitch * made->height * std::max<size_t>(wanted.Depth, 1), kPitch);
  if (!made->address) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard lock(table().mutex);
  *out = table().all.insert(std::move(made));
  return CUDA_SUCCESS;
}

}  // namespace

Array::~Array() {
  if (address) free_internal(address);
}

std::shared_ptr<Array> find_array(CUarray handle) {
  std::lock_guard lock(table().mutex);
  return table().all.find(handle);
}

void forget_arrays(const Context* context) {
  std::lock_guard lock(table().mutex);
  for (const auto& array :
       table().all.select([context](const Array& one) { return one.context == context; })) {
    table().all.erase(Handles<Array, CUarray>::handle(array.get()));
    free_internal(std::exchange(array->address, 0));
  }
}

unsigned format_bytes(CUarray_format format) {
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8:
      return 1;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF:
      return 2;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT:
      return 4;
    default:
      return 0;
  }
}

}  // namespace sim

SIM_API cuArrayCreate_v2(CUarray* out, const CUDA_ARRAY_DESCRIPTOR* wanted) {
  SIM_ENTER_CONTEXT(cuArrayCreate_v2, context);
  if (!wanted) return CUDA_ERROR_INVALID_VALUE;
  return sim::create(
      out, {wanted->Width, wanted->Height, 0, wanted->Format, wanted->NumChannels, 0}, context);
}

SIM_API cuArray3DCreate_v2(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR* wanted) {
  SIM_ENTER_CONTEXT(cuArray3DCreate_v2, context);
  return wanted ? sim::create(out, *wanted, context) : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* out, CUarray handle) {
  SIM_ENTER_CONTEXT(cuArrayGetDescriptor_v2, context);
  const auto array = sim::find_array(handle);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  const auto& is = array->described;
  *out = {is.Width, is.Height, is.Format, is.NumChannels};
  return CUDA_SUCCESS;
}

SIM_API cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* out, CUarray handle) {
  SIM_ENTER_CONTEXT(cuArray3DGetDescriptor_v2, context);
  const auto array = sim::find_array(handle);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  *out = array->described;
  return CUDA_SUCCESS;
}

// Waits for the device, as cuMemFree does.
SIM_API cuArrayDestroy(CUarray handle) {
  SIM_ENTER_CONTEXT(cuArrayDestroy, context);
  const auto array = sim::find_array(handle);
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = sim::synchronize_all(array->context->device)) return status;
  std::lock_guard lock(sim::table().mutex);
  if (!sim::table().all.erase(handle)) return CUDA_ERROR_INVALID_HANDLE;
  sim::free_internal(std::exchange(array->address, 0));
  return CUDA_SUCCESS;
}
