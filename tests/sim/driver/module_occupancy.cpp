// SPDX-License-Identifier: Apache-2.0
// Occupancy: how many blocks of a shape one SM holds.
#include <algorithm>

#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/profile.h"

namespace sim {
namespace {

constexpr int kWarp = 32;
constexpr int kRegisters = 65536;       // of one SM
constexpr int kBlocks = 32;             // resident on one SM, at most
constexpr size_t kBlockReserve = 1024;  // shared memory the system takes of each block

int round_up(int value, int step) {
  return (value + step - 1) / step * step;
}

CUresult best_block(Context* context, int* grid, int* block, CUfunction handle,
                    CUoccupancyB2DSize shared_of, size_t shared, int limit) {
  if (!grid || !block) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  const int most = static_cast<int>(kernel.info().max_threads);
  limit = limit > 0 ? std::min(limit, most) : most;
  int best = 0, best_threads = -1, best_blocks = 0;
  for (int threads = round_up(limit, kWarp); threads > 0; threads -= kWarp) {
    const int size = std::min(threads, limit);
    const int blocks = blocks_per_sm(kernel, size, shared_of ? shared_of(size) : shared);
    if (blocks * size > best_threads) {
      best = size, best_threads = blocks * size, best_blocks = blocks;
    }
  }
  *block = best;
  *grid = best_blocks * static_cast<int>(profile().sms);
  return CUDA_SUCCESS;
}

CUresult active_blocks(Context* context, int* out, CUfunction handle, int threads, size_t shared) {
  if (!out || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  *out = blocks_per_sm(kernel, threads, shared);
  return CUDA_SUCCESS;
}

}  // namespace

int blocks_per_sm(const LoadedKernel& kernel, int threads, size_t dynamic_shared) {
  const ptx::KernelInfo& info = kernel.info();
  if (threads > static_cast<int>(info.max_threads)) return 0;
  constexpr int kRegisterUnit = 8, kWarpRegisterUnit = 256;
  const int warps = round_up(threads, kWarp) / kWarp;
  int blocks = std::min(kBlocks, static_cast<int>(sm_threads()) / (warps * kWarp));
  if (info.registers) {
    const int per_warp = round_up(round_up(static_cast<int>(info.registers), kRegisterUnit) * kWarp,
                                  kWarpRegisterUnit);
    blocks = std::min(blocks, kRegisters / (per_warp * warps));
  }
  const size_t shared = info.static_shared_bytes + dynamic_shared;
  if (shared > max_shared_bytes()) return 0;
  const size_t fit = sm_shared_bytes() / (shared + kBlockReserve);
  return std::min(blocks, static_cast<int>(fit));
}

SIM_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, CUfunction handle, int threads,
                                                    size_t shared) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxActiveBlocksPerMultiprocessor, context);
  return active_blocks(context, out, handle, threads, shared);
}

SIM_API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* out, CUfunction handle,
                                                             int threads, size_t shared,
                                                             unsigned flags) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, context);
  if (flags & ~CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
  return active_blocks(context, out, handle, threads, shared);
}

SIM_API cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction handle,
                                         CUoccupancyB2DSize shared_of, size_t shared, int limit) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxPotentialBlockSize, context);
  return best_block(context, grid, block, handle, shared_of, shared, limit);
}

SIM_API cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction handle,
                                                  CUoccupancyB2DSize shared_of, size_t shared,
                                                  int limit, unsigned flags) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxPotentialBlockSizeWithFlags, context);
  if (flags & ~CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE) return CUDA_ERROR_INVALID_VALUE;
  return best_block(context, grid, block, handle, shared_of, shared, limit);
}

SIM_API cuOccupancyAvailableDynamicSMemPerBlock(size_t* out, CUfunction handle, int blocks,
                                                int threads) {
  SIM_ENTER_CONTEXT(cuOccupancyAvailableDynamicSMemPerBlock, context);
  if (!out || blocks <= 0 || threads <= 0) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  if (blocks > blocks_per_sm(kernel, threads, 0)) return CUDA_ERROR_INVALID_VALUE;
  const size_t each = std::min(sm_shared_bytes() / blocks - kBlockReserve, max_shared_bytes());
  *out = each - std::min(each, kernel.info().static_shared_bytes);
  return CUDA_SUCCESS;
}

// Clusters of more than one block are not simulated.
SIM_API cuOccupancyMaxPotentialClusterSize(int* out, CUfunction handle,
                                           const CUlaunchConfig* config) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxPotentialClusterSize, context);
  if (!out || !config) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  *out = 1;
  return CUDA_SUCCESS;
}

SIM_API cuOccupancyMaxActiveClusters(int* out, CUfunction handle, const CUlaunchConfig* config) {
  SIM_ENTER_CONTEXT(cuOccupancyMaxActiveClusters, context);
  if (!out || !config) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  const int threads = static_cast<int>(config->blockDimX * config->blockDimY * config->blockDimZ);
  if (threads <= 0) return CUDA_ERROR_INVALID_VALUE;
  *out = blocks_per_sm(kernel, threads, config->sharedMemBytes) * static_cast<int>(profile().sms);
  return CUDA_SUCCESS;
}

}  // namespace sim
