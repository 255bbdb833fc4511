// SPDX-License-Identifier: Apache-2.0
#include "tests/random/execute.h"
#include "tests/random/kernels.h"

namespace random_program {

void** Parameters::pointers() {
  pointers_.clear();
  for (size_t offset : offsets_) pointers_.push_back(block_.data() + offset);
  return pointers_.data();
}

void** Parameters::extra() {
  size_ = block_.size();
  extra_[0] = CU_LAUNCH_PARAM_BUFFER_POINTER;
  extra_[1] = block_.data();
  extra_[2] = CU_LAUNCH_PARAM_BUFFER_SIZE;
  extra_[3] = &size_;
  extra_[4] = CU_LAUNCH_PARAM_END;
  return extra_;
}

namespace {

CUresult show_as_matrix(CUdeviceptr address, uint32_t words, CUtensorMap* map) {
  const cuuint64_t dims[] = {kMatrixWidth, words / kMatrixWidth};
  const cuuint64_t pitch[] = {kMatrixWidth * sizeof(uint32_t)};
  const cuuint32_t tile[] = {kTileWidth, kTileHeight}, steps[] = {1, 1};
  return cuTensorMapEncodeTiled(map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 2,
                                reinterpret_cast<void*>(address), dims, pitch, tile, steps,
                                CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                                CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

}  // namespace

Parameters Executor::parameters(const Launch& launch) const {
  Parameters parameters;
  const auto& arguments = launch.arguments;
  const auto words = [&](size_t i) { return reinterpret_cast<uint32_t*>(device(arguments[i])); };
  const auto pass_addresses = [&] {
    for (const Access& access : arguments) parameters.add(device(access));
  };
  const auto pass_shape = [&] {
    parameters.add(launch.elements);
    parameters.add(launch.stride);
    parameters.add(launch.salt);
  };
  const auto pass_struct = [&](auto structure) {
    structure.salt = launch.salt;
    structure.elements = launch.elements;
    structure.stride = launch.stride;
    structure.out = words(0);
    structure.count = static_cast<uint32_t>(arguments.size() - 1);
    for (size_t i = 1; i < arguments.size(); ++i) structure.in[i - 1] = words(i);
    parameters.add(structure);
  };
  const auto pass_packed = [&](auto structure) {
    structure.salt = launch.salt;
    structure.elements = launch.elements;
    structure.stride = launch.stride;
    structure.out = words(0);
    structure.a = words(1);
    structure.b = words(2);
    parameters.add(structure);
  };
  const auto pass_spectator = [&] {
    const LiveBuffer& other = buffers_[launch.spectator_buffer];
    CUdeviceptr spectator = 0;
    switch (launch.spectator) {
      case Launch::Spectator::Null:
        break;
      case Launch::Spectator::Inside:
        spectator = other.address + launch.salt % 4096;
        break;
      case Launch::Spectator::PastEnd:
        spectator = other.address + plan_.buffers[launch.spectator_buffer].bytes;
        break;
    }
    parameters.add(spectator);
  };
  switch (launch.kernel) {
    case Kernel::Blend:
      pass_addresses();
      pass_spectator();
      pass_shape();
      break;
    case Kernel::BlendTiles: {
      CUtensorMap map{};
      check(show_as_matrix(device(arguments[1]), launch.elements, &map), "cuTensorMapEncodeTiled");
      parameters.add(map);
      parameters.add(device(arguments[0]));
      parameters.add(device(arguments[2]));
      pass_spectator();
      pass_shape();
      break;
    }
    case Kernel::Fill:
    case Kernel::Blend8:
    case Kernel::Bytes:
    case Kernel::Histogram:
    case Kernel::BlockSums:
    case Kernel::BarrierSums:
    case Kernel::Dependent:
      pass_addresses();
      pass_shape();
      break;
    case Kernel::Bundle:
      pass_struct(Bundle{});
      break;
    case Kernel::Wide:
      pass_struct(Wide{});
      break;
    case Kernel::Rows: {
      const Buffer& buffer = plan_.buffers[arguments[0].index];
      pass_addresses();
      parameters.add(static_cast<uint64_t>(buffers_[arguments[0].index].pitch));
      parameters.add(static_cast<uint32_t>(buffer.width));
      parameters.add(static_cast<uint32_t>(buffer.height));
      parameters.add(launch.salt);
      break;
    }
    case Kernel::ThroughTable:
      parameters.add(device(arguments[0]));
      parameters.add(static_cast<uint32_t>(arguments.size() - 1));
      pass_shape();
      break;
    case Kernel::FollowList:
      parameters.add(device(arguments[0]));
      pass_shape();
      break;
    case Kernel::Packed4:
      pass_packed(Packed4{});
      break;
    case Kernel::Packed1:
      pass_packed(Packed1{});
      break;
    case Kernel::Sample:
      parameters.add(device(arguments[0]));
      parameters.add(textures_[static_cast<size_t>(launch.texture)]);
      pass_shape();
      break;
    case Kernel::Surface: {
      const Array& array = plan_.arrays[static_cast<size_t>(arguments[0].index)];
      parameters.add(arrays_[static_cast<size_t>(arguments[0].index)].surface);
      parameters.add(device(arguments[1]));
      parameters.add(static_cast<uint32_t>(array.width));
      parameters.add(static_cast<uint32_t>(array.height));
      parameters.add(launch.salt);
      break;
    }
    case Kernel::StoreAddresses:
    case Kernel::LinkNodes:
    case Kernel::StoreGlobal:
      break;  // not launched as such: see execute_hidden.cpp
    case Kernel::Decide:
    case Kernel::CountRounds:
    case Kernel::CountDown:
    case Kernel::Retune:
      break;  // of graph nodes only: see execute_nodes.cpp
    case Kernel::ThroughGlobal:
      pass_shape();
      break;
  }
  return parameters;
}

void Executor::perform(Turn&, const Operation& operation, const Launch& work) {
  const Calls& call = calls(operation);
  const CUstream on = stream(operation);
  const CUfunction function = home(operation).kernels[static_cast<size_t>(work.kernel)];
  Parameters packed = parameters(work);
  void** const params = work.packing == Packing::Params ? packed.pointers() : nullptr;
  void** const extra = work.packing == Packing::Extra ? packed.extra() : nullptr;
  switch (work.door) {
    case Door::Kernel:
      return check(call.launch(function, work.grid, 1, 1, work.block, 1, 1, 0, on, params, extra),
                   "cuLaunchKernel");
    case Door::Ex:
    case Door::ExCooperative: {
      CUlaunchAttribute attributes[3];
      CUlaunchConfig config{};
      config.attrs = attributes;
      if (work.door == Door::ExCooperative) {
        CUlaunchAttribute& one = attributes[config.numAttrs++];
        one.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
        one.value.cooperative = 1;
      }
      if (work.programmatic) {
        CUlaunchAttribute& one = attributes[config.numAttrs++];
        one.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        one.value.programmaticStreamSerializationAllowed = 1;
      }
      if (work.event >= 0) {
        CUlaunchAttribute& one = attributes[config.numAttrs++];
        one.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT;
        one.value.programmaticEvent = {events_[work.event], 0, 0};
      }
      config.gridDimX = work.grid;
      config.gridDimY = config.gridDimZ = 1;
      config.blockDimX = work.block;
      config.blockDimY = config.blockDimZ = 1;
      config.hStream = on;
      return check(call.launch_ex(&config, function, params, extra), "cuLaunchKernelEx");
    }
    case Door::Cooperative:
      return check(
          call.launch_cooperative(function, work.grid, 1, 1, work.block, 1, 1, 0, on, params),
          "cuLaunchCooperativeKernel");
  }
}

}  // namespace random_program
