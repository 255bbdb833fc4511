// SPDX-License-Identifier: Apache-2.0
// The stream-taking driver calls in both spellings: plain, and per thread (_ptsz, _ptds), in which
// a null stream means the calling thread's own. A program may use either for its per-thread stream.
#pragma once

#include <cuda.h>

namespace random_program {

#if CUDA_VERSION >= 13000
#define RANDOM_PROGRAM_BATCH_PTSZ cuMemcpyBatchAsync_v2_ptsz
#define RANDOM_PROGRAM_BOXES_PTSZ cuMemcpy3DBatchAsync_v2_ptsz
#else
#define RANDOM_PROGRAM_BATCH_PTSZ cuMemcpyBatchAsync_ptsz
#define RANDOM_PROGRAM_BOXES_PTSZ cuMemcpy3DBatchAsync_ptsz
#endif

// clang-format off
#define RANDOM_PROGRAM_CALLS(CALL)                                         \
  CALL(launch, cuLaunchKernel, cuLaunchKernel_ptsz)                        \
  CALL(launch_ex, cuLaunchKernelEx, cuLaunchKernelEx_ptsz)                 \
  CALL(launch_cooperative, cuLaunchCooperativeKernel, cuLaunchCooperativeKernel_ptsz) \
  CALL(host_function, cuLaunchHostFunc, cuLaunchHostFunc_ptsz)             \
  CALL(alloc_async, cuMemAllocAsync, cuMemAllocAsync_ptsz)                 \
  CALL(free_async, cuMemFreeAsync, cuMemFreeAsync_ptsz)                    \
  CALL(copy, cuMemcpy, cuMemcpy_ptds)                                      \
  CALL(copy_async, cuMemcpyAsync, cuMemcpyAsync_ptsz)                      \
  CALL(htod, cuMemcpyHtoD, cuMemcpyHtoD_v2_ptds)                           \
  CALL(htod_async, cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2_ptsz)           \
  CALL(dtoh, cuMemcpyDtoH, cuMemcpyDtoH_v2_ptds)                           \
  CALL(dtoh_async, cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2_ptsz)           \
  CALL(dtod, cuMemcpyDtoD, cuMemcpyDtoD_v2_ptds)                           \
  CALL(dtod_async, cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2_ptsz)           \
  CALL(peer, cuMemcpyPeer, cuMemcpyPeer_ptds)                              \
  CALL(peer_async, cuMemcpyPeerAsync, cuMemcpyPeerAsync_ptsz)              \
  CALL(peer_3d, cuMemcpy3DPeer, cuMemcpy3DPeer_ptds)                       \
  CALL(peer_3d_async, cuMemcpy3DPeerAsync, cuMemcpy3DPeerAsync_ptsz)       \
  CALL(copy_2d, cuMemcpy2D, cuMemcpy2D_v2_ptds)                            \
  CALL(copy_2d_unaligned, cuMemcpy2DUnaligned, cuMemcpy2DUnaligned_v2_ptds) \
  CALL(copy_2d_async, cuMemcpy2DAsync, cuMemcpy2DAsync_v2_ptsz)            \
  CALL(copy_3d, cuMemcpy3D, cuMemcpy3D_v2_ptds)                            \
  CALL(copy_3d_async, cuMemcpy3DAsync, cuMemcpy3DAsync_v2_ptsz)            \
  CALL(set8, cuMemsetD8, cuMemsetD8_v2_ptds)                               \
  CALL(set16, cuMemsetD16, cuMemsetD16_v2_ptds)                            \
  CALL(set32, cuMemsetD32, cuMemsetD32_v2_ptds)                            \
  CALL(set8_2d, cuMemsetD2D8, cuMemsetD2D8_v2_ptds)                        \
  CALL(set16_2d, cuMemsetD2D16, cuMemsetD2D16_v2_ptds)                     \
  CALL(set32_2d, cuMemsetD2D32, cuMemsetD2D32_v2_ptds)                     \
  CALL(set8_async, cuMemsetD8Async, cuMemsetD8Async_ptsz)                  \
  CALL(set16_async, cuMemsetD16Async, cuMemsetD16Async_ptsz)               \
  CALL(set32_async, cuMemsetD32Async, cuMemsetD32Async_ptsz)               \
  CALL(set8_2d_async, cuMemsetD2D8Async, cuMemsetD2D8Async_ptsz)           \
  CALL(set16_2d_async, cuMemsetD2D16Async, cuMemsetD2D16Async_ptsz)        \
  CALL(set32_2d_async, cuMemsetD2D32Async, cuMemsetD2D32Async_ptsz)        \
  CALL(record, cuEventRecord, cuEventRecord_ptsz)                          \
  CALL(wait_event, cuStreamWaitEvent, cuStreamWaitEvent_ptsz)              \
  CALL(synchronize, cuStreamSynchronize, cuStreamSynchronize_ptsz)         \
  CALL(query, cuStreamQuery, cuStreamQuery_ptsz)                           \
  CALL(write32, cuStreamWriteValue32, cuStreamWriteValue32_v2_ptsz)        \
  CALL(write64, cuStreamWriteValue64, cuStreamWriteValue64_v2_ptsz)        \
  CALL(wait32, cuStreamWaitValue32, cuStreamWaitValue32_v2_ptsz)           \
  CALL(wait64, cuStreamWaitValue64, cuStreamWaitValue64_v2_ptsz)           \
  CALL(batch_of_values, cuStreamBatchMemOp, cuStreamBatchMemOp_v2_ptsz)    \
  CALL(alloc_from_pool, cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync_ptsz) \
  CALL(copy_batch, cuMemcpyBatchAsync, RANDOM_PROGRAM_BATCH_PTSZ)          \
  CALL(copy_boxes, cuMemcpy3DBatchAsync, RANDOM_PROGRAM_BOXES_PTSZ)        \
  CALL(begin_capture, cuStreamBeginCapture, cuStreamBeginCapture_v2_ptsz)  \
  CALL(end_capture, cuStreamEndCapture, cuStreamEndCapture_ptsz)           \
  CALL(launch_graph, cuGraphLaunch, cuGraphLaunch_ptsz)
// clang-format on

extern "C" {
#define RANDOM_PROGRAM_DECLARE(name, plain, per_thread) decltype(plain) per_thread;
RANDOM_PROGRAM_CALLS(RANDOM_PROGRAM_DECLARE)
#undef RANDOM_PROGRAM_DECLARE
}

struct Calls {
#define RANDOM_PROGRAM_MEMBER(name, plain, per_thread) decltype(&::plain) name;
  RANDOM_PROGRAM_CALLS(RANDOM_PROGRAM_MEMBER)
#undef RANDOM_PROGRAM_MEMBER
};

inline const Calls kPlainCalls = {
#define RANDOM_PROGRAM_PLAIN(name, plain, per_thread) &::plain,
    RANDOM_PROGRAM_CALLS(RANDOM_PROGRAM_PLAIN)
#undef RANDOM_PROGRAM_PLAIN
};

inline const Calls kPerThreadCalls = {
#define RANDOM_PROGRAM_PER_THREAD(name, plain, per_thread) &per_thread,
    RANDOM_PROGRAM_CALLS(RANDOM_PROGRAM_PER_THREAD)
#undef RANDOM_PROGRAM_PER_THREAD
};

}  // namespace random_program
