// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/execute.h"
#include "tests/random/kernels.h"

namespace random_program {

void Executor::set_up_arrays() {
  for (size_t i = 0; i < arrays_.size(); ++i) {
    const Array& planned = plan_.arrays[i];
    enter(planned.context);
    const CUDA_ARRAY3D_DESCRIPTOR shape{planned.width,
                                        planned.height,
                                        0,
                                        CU_AD_FORMAT_UNSIGNED_INT32,
                                        1,
                                        CUDA_ARRAY3D_SURFACE_LDST};
    check(cuArray3DCreate(&arrays_[i].array, &shape), "cuArray3DCreate");
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    resource.res.array.hArray = arrays_[i].array;
    check(cuSurfObjectCreate(&arrays_[i].surface, &resource), "cuSurfObjectCreate");
  }
}

namespace {

// Where in a table addresses are put first that are then copied on the device.
CUdeviceptr elsewhere(CUdeviceptr to, const StoreAddresses& work) {
  return to - work.table.offset + 2048;
}

}  // namespace

CUdeviceptr Executor::hidden_pointer(const Operation& operation) const {
  CUdeviceptr address = 0;
  check(cuModuleGetGlobal(&address, nullptr, home(operation).module, "hidden_pointer"),
        "cuModuleGetGlobal");
  return address;
}

void Executor::store_by_kernel(const Operation& operation, const StoreAddresses& work,
                               const std::vector<CUdeviceptr>& addresses) {
  const Calls& call = calls(operation);
  const CUstream on = stream(operation);
  Addresses list{static_cast<uint32_t>(addresses.size()), {}};
  std::copy(addresses.begin(), addresses.end(), list.address);
  const CUdeviceptr to = work.holder == Holder::Table ? device(work.table) : 0;
  Kernel kernel = Kernel::StoreAddresses;
  Parameters packed;
  switch (work.holder) {
    case Holder::Table:
      packed.add(work.copied ? elsewhere(to, work) : to);
      packed.add(list);
      break;
    case Holder::Global:
      // Whoever has asked for a variable may look into it; that is why the library does.
      hidden_pointer(operation);
      kernel = Kernel::StoreGlobal;
      packed.add(addresses[0]);
      break;
    case Holder::List:
      kernel = Kernel::LinkNodes;
      packed.add(list);
      break;
  }
  const CUfunction function = home(operation).kernels[static_cast<size_t>(kernel)];
  void** const params = work.packing == Packing::Params ? packed.pointers() : nullptr;
  void** const extra = work.packing == Packing::Extra ? packed.extra() : nullptr;
  check(call.launch(function, 1, 1, 1, 32, 1, 1, 0, on, params, extra),
        "cuLaunchKernel that stores addresses");
  if (!work.copied) return;
  check(call.dtod_async(to, elsewhere(to, work), addresses.size() * sizeof(CUdeviceptr), on),
        "cuMemcpyDtoD of addresses");
}

void Executor::perform(Turn&, const Operation& operation, const StoreAddresses& work) {
  std::vector<CUdeviceptr> addresses;
  for (const Access& target : work.targets) addresses.push_back(device(target));
  if (work.by_kernel) return store_by_kernel(operation, work, addresses);
  const size_t bytes = addresses.size() * sizeof(CUdeviceptr);
  constexpr char kCall[] = "cuMemcpyHtoD of addresses";
  switch (work.holder) {
    case Holder::Table: {
      const CUdeviceptr to = device(work.table);
      if (!work.copied) return check(cuMemcpyHtoD(to, addresses.data(), bytes), kCall);
      const CUdeviceptr first = elsewhere(to, work);
      check(cuMemcpyHtoDAsync(first, addresses.data(), bytes, stream(operation)), kCall);
      return check(cuMemcpyDtoDAsync(to, first, bytes, stream(operation)),
                   "cuMemcpyDtoD of addresses");
    }
    case Holder::Global:
      return check(cuMemcpyHtoD(hidden_pointer(operation), addresses.data(), sizeof addresses[0]),
                   kCall);
    case Holder::List:
      for (size_t i = 0; i < addresses.size(); ++i) {
        const bool last = i + 1 == addresses.size();
        const ListNode node{last ? nullptr : reinterpret_cast<ListNode*>(addresses[i + 1]), 0};
        check(cuMemcpyHtoD(addresses[i], &node, sizeof node), kCall);
      }
      return;
  }
}

void Executor::perform(Turn&, const Operation&, const MakeTexture& work) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_LINEAR;
  resource.res.linear = {device(work.source), CU_AD_FORMAT_UNSIGNED_INT32, 1, work.source.bytes};
  CUDA_TEXTURE_DESC description{};
  description.flags = CU_TRSF_READ_AS_INTEGER;
  check(cuTexObjectCreate(&textures_[work.texture], &resource, &description, nullptr),
        "cuTexObjectCreate");
}

void Executor::perform(Turn&, const Operation&, const DropTexture& work) {
  check(cuTexObjectDestroy(textures_[work.texture]), "cuTexObjectDestroy");
}

}  // namespace random_program
