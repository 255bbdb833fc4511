// SPDX-License-Identifier: Apache-2.0
// Parameter structs that the runtime and the driver word differently.
#pragma once

#include <cuda.h>
#include <driver_types.h>

namespace sim::cudart {

bool valid(cudaMemcpyKind kind);
CUmemorytype source_type(cudaMemcpyKind kind);
CUmemorytype destination_type(cudaMemcpyKind kind);

// One flat copy as graph nodes describe it.
CUDA_MEMCPY3D flat_copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t to_driver(const cudaMemcpy3DParms& in, CUDA_MEMCPY3D* out);
cudaMemcpy3DParms to_runtime(const CUDA_MEMCPY3D& in);
cudaError_t to_driver(const cudaMemcpy3DPeerParms& in, CUDA_MEMCPY3D_PEER* out);

CUDA_MEMSET_NODE_PARAMS to_driver(const cudaMemsetParams& in);
cudaMemsetParams to_runtime(const CUDA_MEMSET_NODE_PARAMS& in);

cudaError_t to_driver(const cudaKernelNodeParams& in, CUDA_KERNEL_NODE_PARAMS* out);
cudaKernelNodeParams to_runtime(const CUDA_KERNEL_NODE_PARAMS& in);

CUlaunchConfig to_driver(const cudaLaunchConfig_t& in);

}  // namespace sim::cudart
