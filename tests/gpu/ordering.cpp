// SPDX-License-Identifier: Apache-2.0
// Does order between streams hold through aliases, dependent launches and remapped graphs?
#include <fmt/format.h>

#include "gpu_probe_hopper_ptx.h"
#include "tests/gpu/probe.h"

namespace probe {

Verdict alias_copy(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(16 * kMiB);
  Chunk chunk(gpu, Place::Device, bytes);
  Range app(bytes), alias(bytes);
  app.map(gpu, chunk, bytes);
  alias.map(gpu, chunk, bytes);
  constexpr uint64_t kSeeds = 4;
  std::vector<HostMemory> sources;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    sources.emplace_back(bytes);
    for (size_t i = 0; i < bytes / 8; ++i) sources.back().as<uint64_t>()[i] = pattern(seed, i);
  }
  HostMemory counter(4096), target(bytes);
  Stream copies, compute;
  Event copied(CU_EVENT_DISABLE_TIMING), used(CU_EVENT_DISABLE_TIMING);
  int rounds = gpu.repeats(100);
  // In: copy to the alias, then the kernel reads the application's address.
  for (int i = 0; i < rounds; ++i) {
    uint64_t seed = static_cast<uint64_t>(i) % kSeeds;
    cu().cuMemcpyHtoDAsync(alias.at(), sources[seed], bytes, copies);
    cu().cuEventRecord(copied, copies);
    cu().cuStreamWaitEvent(compute, copied, 0);
    gpu.start_check(app.at(), bytes, seed, counter.device(), compute);
    cu().cuEventRecord(used, compute);
    cu().cuStreamWaitEvent(copies, used, 0);
  }
  cu().cuCtxSynchronize();
  uint64_t wrong_in = *counter.as<uint64_t>(), wrong_out = 0;
  // Out: the kernel writes the application's address, then the copy reads the alias.
  for (int i = 0; i < gpu.repeats(20); ++i) {
    gpu.fill(app.at(), bytes, 100 + static_cast<uint64_t>(i), compute);
    cu().cuEventRecord(used, compute);
    cu().cuStreamWaitEvent(copies, used, 0);
    cu().cuMemcpyDtoHAsync(target, alias.at(), bytes, copies);
    cu().cuStreamSynchronize(copies);
    for (size_t k = 0; k < bytes / 8; ++k)
      wrong_out += target.as<uint64_t>()[k] != pattern(100 + static_cast<uint64_t>(i), k);
  }
  report.fact("wrong_words_in", wrong_in);
  report.fact("wrong_words_out", wrong_out);
  bool right = !wrong_in && !wrong_out;
  return {right ? fmt::format("yes: {} rounds each way, every word was right", rounds)
                : fmt::format("NO: {} stale words in, {} out", wrong_in, wrong_out),
          right ? "The mover may copy through an alias of its own when that saves a remap."
                : "Copy only through the application's own address."};
}

namespace {

// The kernels that need compute capability 9.0; throws NOT_SUPPORTED elsewhere.
struct HopperKernels {
  Kernel early_producer, dependent_check, tensor_tile;
  explicit HopperKernels(const Gpu& gpu) {
    if (gpu.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) < 9)
      throw CudaError("compute capability 9.0", CUDA_ERROR_NOT_SUPPORTED);
    CUmodule module = nullptr;
    cu().cuModuleLoadData(&module, gpu_probe_hopper_ptx);
    cu().cuModuleGetFunction(&early_producer.function, module, "early_producer");
    cu().cuModuleGetFunction(&dependent_check.function, module, "dependent_check");
    cu().cuModuleGetFunction(&tensor_tile.function, module, "tensor_tile");
  }
};

template <class... P>
void launch_dependent(const Kernel& kernel, unsigned blocks, unsigned threads, CUstream stream,
                      P... arguments) {
  CUlaunchAttribute attribute{};
  attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  attribute.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config{};
  config.gridDimX = blocks;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads;
  config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  void* parameters[] = {&arguments..., nullptr};
  cu().cuLaunchKernelEx(&config, kernel.function, parameters, nullptr);
}

}  // namespace

// The kernel before the consumer lets it start early. Does an event wait between them, or before
// both, still keep the consumer behind the copy?
Verdict alias_dependent_launch(Gpu& gpu, Report& report) {
  HopperKernels kernels(gpu);
  size_t bytes = gpu.bytes(32 * kMiB);
  Chunk chunk(gpu, Place::Device, bytes);
  Range app(bytes), alias(bytes);
  app.map(gpu, chunk, bytes);
  alias.map(gpu, chunk, bytes);
  HostMemory source(bytes), counter(4096);
  Stream copies, compute;
  Event copied(CU_EVENT_DISABLE_TIMING);
  unsigned long long cycles = gpu.small() ? 100 : 100'000;
  struct Case {
    const char* name;
    bool wait_between;  // the event wait stands between producer and consumer, else before both
    int kernel_waits;   // the consumer executes griddepcontrol.wait
    bool through_alias;
  };
  constexpr Case kCases[] = {
      {"wait_between", true, 0, true},
      {"wait_between_kernel_waits", true, 1, true},
      {"wait_before", false, 0, true},
      {"wait_before_kernel_waits", false, 1, true},
      {"wait_between_own_address", true, 0, false},
  };
  uint64_t stale = 0;
  std::string text;
  for (const Case& row : kCases) {
    *counter.as<uint64_t>() = 0;
    for (int i = 0; i < gpu.repeats(50); ++i) {
      uint64_t expected = static_cast<uint64_t>(i) * 77 + 5;
      std::fill_n(source.as<uint64_t>(), bytes / 8, expected);
      cu().cuMemcpyHtoDAsync(row.through_alias ? alias.at() : app.at(), source, bytes, copies);
      cu().cuEventRecord(copied, copies);
      if (!row.wait_between) cu().cuStreamWaitEvent(compute, copied, 0);
      kernels.early_producer.launch(1, 32, compute, cycles);
      if (row.wait_between) cu().cuStreamWaitEvent(compute, copied, 0);
      launch_dependent(kernels.dependent_check, gpu.blocks(), 256, compute, app.at(),
                       uint64_t{bytes / 8}, expected, row.kernel_waits, counter.device());
      cu().cuCtxSynchronize();  // the host writes the source again
    }
    uint64_t wrong = *counter.as<uint64_t>();
    report.fact(fmt::format("stale_words_{}", row.name), wrong);
    if (wrong) text += fmt::format("; {}: {} stale words", row.name, wrong);
    stale += wrong;
  }
  return {
      stale ? "NO" + text : "yes: no stale word in any order of wait, producer and consumer",
      stale
          ? "A launch with programmatic serialisation must be fetched for on the host, or lose the "
            "attribute."
          : "Event waits order fetches before dependent launches too."};
}

Verdict tensor_map(Gpu& gpu, Report& report) {
  constexpr cuuint64_t kSide = 32;
  size_t bytes = 2 * kMiB;
  Range range(bytes);
  Chunk first(gpu, Place::Device, bytes), second(gpu, Place::Device, bytes);
  range.map(gpu, first, bytes);
  auto encode = [&](CUdeviceptr address) {
    CUtensorMap map{};
    cuuint64_t dims[] = {kSide, kSide}, strides[] = {kSide * sizeof(int)};
    cuuint32_t box[] = {kSide, kSide}, steps[] = {1, 1};
    cu().cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_INT32, 2,
                                reinterpret_cast<void*>(address), dims, strides, box, steps,
                                CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                                CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return map;
  };
  CUtensorMap map = encode(range.at()), other = encode(range.at(bytes / 2));
  bool is_address = map.opaque[0] == range.at() && other.opaque[0] == range.at(bytes / 2);
  bool only_first = std::equal(std::begin(map.opaque) + 1, std::end(map.opaque), other.opaque + 1);
  report.fact("first_word_is_address", is_address);
  report.fact("other_words_same", only_first);

  HopperKernels kernels(gpu);
  HostMemory out(kSide * kSide * sizeof(int));
  auto tile_is = [&](int value) {
    std::vector<int> input(kSide * kSide, value);
    cu().cuMemcpyHtoD(range.at(), input.data(), input.size() * sizeof(int));
    kernels.tensor_tile.launch(1, kSide * kSide, nullptr, map, out.device());
    cu().cuCtxSynchronize();
    return std::all_of(out.as<int>(), out.as<int>() + kSide * kSide,
                       [&](int v) { return v == value; });
  };
  bool before = tile_is(1);
  range.unmap(bytes);
  range.map(gpu, second, bytes);
  bool after = tile_is(2), in_place = false;
  report.fact("load_before_remap", before);
  report.fact("load_after_remap", after);
  if (gpu.supports(Place::HostNuma)) {
    Chunk host(gpu, Place::HostNuma, bytes);
    range.unmap(bytes);
    range.map(gpu, host, bytes);
    in_place = tile_is(3);
    report.fact("load_on_host_memory", in_place);
    range.unmap(bytes);
  }
  return {
      fmt::format("first 8 bytes are the address: {}; the other 120 do not depend on it: {}; tile "
                  "loads through one descriptor: {} before, {} after a remap, {} on host memory",
                  is_address ? "yes" : "NO", only_first ? "yes" : "NO", before ? "right" : "WRONG",
                  after ? "right" : "WRONG", in_place ? "right" : "not right"),
      is_address && after ? "The argument scan finds tensor maps; they survive remaps."
                          : "Hook the encode calls and keep a table of descriptors."};
}

}  // namespace probe
