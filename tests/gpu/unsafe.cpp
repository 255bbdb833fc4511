// SPDX-License-Identifier: Apache-2.0
// What happens to those who break the rules. Each of these may end with a context that is beyond
// use; they come last, and the errors are the answers.
#include <fmt/format.h>

#include "tests/gpu/load.h"
#include "tests/gpu/probe.h"

namespace probe {
namespace {

// Is the context still usable? A sticky error answers every call from now on.
CUresult context_state() {
  CUdeviceptr address = 0;
  CUresult result = cu().cuMemAlloc.attempt(&address, 4096);
  if (result != CUDA_SUCCESS) return result;
  result = cu().cuMemsetD8Async.attempt(address, 0, 4096, nullptr);
  if (result == CUDA_SUCCESS) result = cu().cuCtxSynchronize.attempt();
  cu().cuMemFree.attempt(address);
  return result;
}

}  // namespace

Verdict unmap_neighbour(Gpu& gpu, Report& report) {
  size_t bytes = 4 * kMiB;
  Range range(3 * bytes);
  std::vector<Chunk> chunks;
  for (int i = 0; i < 4; ++i) chunks.emplace_back(gpu, Place::Device, bytes);
  for (size_t i = 0; i < 3; ++i) range.map(gpu, chunks[i], bytes, i * bytes);
  LongKernel kernel(gpu, range.at(bytes), bytes);  // reads the middle
  std::vector<double> times;
  int rounds = gpu.repeats(100);
  for (int i = 0; i < rounds; ++i)
    times.push_back(timed_us([&] {
      for (size_t offset : {size_t{0}, 2 * bytes}) range.unmap(bytes, offset);
      range.map(gpu, chunks[i % 2 ? 0 : 3], bytes, 0);
      range.map(gpu, chunks[2], bytes, 2 * bytes);
    }));
  bool running = kernel.running();
  CUresult ended = kernel.stop();
  report.sample("remap_of_both_neighbours", "us", times);
  report.fact("kernel_still_running", running);
  report.fact("kernel_ended", error_name(ended));
  return {
      fmt::format("{} remaps on both sides of what a kernel reads: {}", rounds, error_name(ended)),
      ended == CUDA_SUCCESS
          ? "Moves beside running work in one reservation are safe."
          : "Moves must wait for an idle GPU on this machine, as was reported for Volta."};
}

Verdict no_access(Gpu& gpu, Report& report) {
  size_t bytes = 2 * kMiB;
  Chunk chunk(gpu, Place::Device, bytes);
  Range range(bytes);
  cu().cuMemMap(range.at(), bytes, 0, chunk, 0);  // and no cuMemSetAccess
  CUresult copy = cu().cuMemsetD8Async.attempt(range.at(), 0, bytes, nullptr);
  if (copy == CUDA_SUCCESS) copy = cu().cuCtxSynchronize.attempt();
  report.fact("memset", error_name(copy));
  CUresult state = context_state();
  report.fact("context_after_memset", error_name(state));
  CUresult kernel = state;
  if (state == CUDA_SUCCESS) {
    gpu.fill(range.at(), bytes, 1);
    kernel = cu().cuCtxSynchronize.attempt();
    report.fact("kernel", error_name(kernel));
    report.fact("context_after_kernel", error_name(context_state()));
  }
  return {fmt::format("memset: {}; kernel: {}", error_name(copy), error_name(kernel)),
          kernel == CUDA_SUCCESS
              ? "Access is not enforced: errors in our window would go unseen."
              : "The window between map and set access is as fatal as unmapped memory."};
}

Verdict unmap_under_copy(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kGiB);
  HostMemory source(bytes);
  Chunk chunk(gpu, Place::Device, bytes);
  Range range(bytes);
  range.map(gpu, chunk, bytes);
  Stream stream;
  for (int i = 0; i < 4; ++i) cu().cuMemcpyHtoDAsync(range.at(), source, bytes, stream);
  CUresult unmapped = CUDA_SUCCESS;
  double us = timed_us([&] { unmapped = cu().cuMemUnmap.attempt(range.at(), bytes); });
  bool running = cu().cuStreamQuery.attempt(stream) == CUDA_ERROR_NOT_READY;
  CUresult ended = cu().cuStreamSynchronize.attempt(stream);
  report.fact("unmap", error_name(unmapped));
  report.fact("unmap_us", us);
  report.fact("copies_still_running_after_unmap", running);
  report.fact("copies_ended", error_name(ended));
  report.fact("context_after", error_name(context_state()));
  return {fmt::format("unmap returned {} after {:.0f} us, copies ended with {}",
                      error_name(unmapped), us, error_name(ended)),
          ended == CUDA_SUCCESS ? "Unmapping waits for copies here; the design does not rely on it."
                                : "An unmap must come after the observed end of every copy."};
}

Verdict unmap_under_reader(Gpu& gpu, Report& report) {
  size_t bytes = 4 * kMiB;
  Chunk chunk(gpu, Place::Device, bytes);
  Range range(bytes);
  range.map(gpu, chunk, bytes);
  LongKernel kernel(gpu, range.at(), bytes);
  CUresult unmapped = CUDA_SUCCESS;
  double us = timed_us([&] { unmapped = cu().cuMemUnmap.attempt(range.at(), bytes); });
  // The kernel goes on reading for a while; then it is told to end, should it still live.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CUresult ended = kernel.stop();
  CUresult state = context_state();
  report.fact("unmap", error_name(unmapped));
  report.fact("unmap_us", us);
  report.fact("kernel_ended", error_name(ended));
  report.fact("context_after", error_name(state));
  return {
      fmt::format(
          "unmap returned {} after {:.0f} us, the kernel ended with {}, the context says {}",
          error_name(unmapped), us, error_name(ended), error_name(state)),
      ended == CUDA_SUCCESS
          ? "Unmapping waits for, or does not hurt, readers here; the design does not rely on it."
          : "One early unmap kills the context: unmap only after an observed end."};
}

}  // namespace probe
