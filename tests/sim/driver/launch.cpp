// SPDX-License-Identifier: Apache-2.0
// Launches: parameters into device layout at call time, limits, and the work of a kernel.
#include "tests/sim/driver/launch.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/device_node.h"
#include "tests/sim/driver/kernel_time.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/programmatic.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/space.h"
#include "tests/sim/ptx/device_access.h"

namespace sim {
namespace {

CUresult as_error(ptx::Outcome outcome) {
  switch (outcome) {
    case ptx::Outcome::Ok:
      return CUDA_SUCCESS;
    case ptx::Outcome::IllegalAddress:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case ptx::Outcome::IllegalInstruction:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case ptx::Outcome::Trap:
      return CUDA_ERROR_LAUNCH_FAILED;
    case ptx::Outcome::Misaligned:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case ptx::Outcome::BarrierError:
      return CUDA_ERROR_LAUNCH_FAILED;
  }
  return CUDA_ERROR_UNKNOWN;
}

// What %globaltimer starts at.
uint64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

CUresult read_extra(void** extra, const std::byte** buffer, size_t* bytes) {
  bool has_bytes = false;
  for (void** at = extra; *at != CU_LAUNCH_PARAM_END; at += 2) {
    if (*at == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      *buffer = static_cast<const std::byte*>(at[1]);
    } else if (*at == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      if (!at[1]) return CUDA_ERROR_INVALID_VALUE;
      *bytes = *static_cast<const size_t*>(at[1]);
      has_bytes = true;
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  return *buffer && has_bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

size_t max_shared_bytes() {
  constexpr size_t kKiB = 1024;
  switch (settings().compute) {
    case 70:
    case 72:
      return 96 * kKiB;
    case 75:
      return 64 * kKiB;
    case 80:
    case 87:
      return 163 * kKiB;
    case 86:
    case 89:
    case 120:
      return 99 * kKiB;
    default:
      return settings().compute >= 90 ? 227 * kKiB : 48 * kKiB;
  }
}

unsigned sm_threads() {
  switch (settings().compute) {
    case 75:
      return 1024;
    case 86:
    case 87:
    case 89:
    case 120:
      return 1536;
    default:
      return 2048;
  }
}

size_t sm_shared_bytes() {
  constexpr size_t kReserved = 1 << 10;  // by the system, of each resident block
  return max_shared_bytes() + kReserved;
}

CUresult read_parameters(const ptx::KernelInfo& info, void** parameters, void** extra,
                         std::vector<std::byte>* out) {
  if (parameters && extra) return CUDA_ERROR_INVALID_VALUE;
  out->assign(info.param_bytes, std::byte{0});
  if (extra) {
    const std::byte* buffer = nullptr;
    size_t bytes = 0;
    if (const CUresult status = read_extra(extra, &buffer, &bytes)) return status;
    if (bytes < info.param_bytes || bytes > kMaxParameterBytes) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(out->data(), buffer, info.param_bytes);
    return CUDA_SUCCESS;
  }
  if (!parameters) return info.params.empty() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < info.params.size(); i++) {
    if (!parameters[i]) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(out->data() + info.params[i].offset, parameters[i], info.params[i].size);
  }
  return CUDA_SUCCESS;
}

CUresult check_shape(const KernelNode& node) {
  const auto [grid, block] = std::pair(node.grid, node.block);
  if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (grid.x > kMaxGridX || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (block.x > kMaxThreadsPerBlock || block.y > kMaxThreadsPerBlock || block.z > kMaxBlockZ ||
      threads > kMaxThreadsPerBlock) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (threads > node.kernel.info().max_threads) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  const int most = function_attribute(node.kernel, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  if (node.shared_bytes > static_cast<unsigned>(most)) return CUDA_ERROR_INVALID_VALUE;
  if (node.cooperative) {
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    const uint64_t resident =
        uint64_t{profile().sms} *
        blocks_per_sm(node.kernel, static_cast<int>(threads), node.shared_bytes);
    if (blocks > resident) return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
  }
  return CUDA_SUCCESS;
}

Work kernel_work(Context* context, const KernelNode& node) {
  Work work;
  work.name = node.kernel.info().name.c_str();
  work.engine = Engine::Compute;
  work.run = [given = node, context] {
    const CurrentScope scope(context);
    KernelNode node = given;
    const ProgressScope progress(node.progress.get());
    if (node.device_node && !node.device_node->read(&node)) return Done{};
    const ptx::Launch launch{.grid = node.grid,
                             .block = node.block,
                             .dynamic_shared_bytes = node.shared_bytes,
                             .params = node.parameters.data(),
                             .cooperative = node.cooperative,
                             .clock_ns = now_ns()};
    const DeviceAccess access;
    const ptx::Result result = ptx::run(*node.kernel.kernel, launch, window(context->device));
    Done done;
    done.status = as_error(result.outcome);
    done.message = result.message;
    const uint64_t threads = uint64_t{node.grid.x} * node.grid.y * node.grid.z * node.block.x *
                             node.block.y * node.block.z;
    const KernelTime time = kernel_time(node.kernel.info().name, threads, result.counts);
    done.duration_ns = time.duration_ns;
    done.share = time.share;
    return done;
  };
  return work;
}

}  // namespace sim
