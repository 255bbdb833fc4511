// SPDX-License-Identifier: Apache-2.0
// Stream capture: what is recorded, what is refused, and what a refused call destroys.
#include <functional>
#include <thread>

#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

class Capture : public Exec {
 protected:
  CUresult begin(CUstream s, CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL) {
    return cuStreamBeginCapture_v2(s, mode);
  }
  CUresult end(CUstream s) { return cuStreamEndCapture(s, &graph_); }
  void run(CUstream s) {
    CUgraphExec exec = nullptr;
    CHECK_CU(cuGraphInstantiateWithFlags(&exec, graph_, 0));
    CHECK_CU(cuGraphLaunch(exec, s));
    CHECK_CU(cuStreamSynchronize(s));
    CHECK_CU(cuGraphExecDestroy(exec));
  }
  CUgraph graph_ = nullptr;
};

TEST_F(Capture, RecordsAndDoesNotRun) {
  CUstream s = stream();
  CHECK_CU(begin(s));
  CHECK_CU(add(s, 3));
  CHECK_CU(cuMemcpyDtoHAsync_v2(pinned(), memory_, sizeof(int), s));
  CHECK_CU(cuMemsetD32Async(memory_ + 4, 11, 1, s));
  CHECK_CU(cuLaunchHostFunc(
      s, [](void* p) { static_cast<int*>(p)[1] = 77; }, pinned()));
  CHECK_CU(end(s));
  size_t count = 0;
  CHECK_CU(cuGraphGetNodes(graph_, nullptr, &count));
  EXPECT_EQ(4u, count);
  EXPECT_EQ(0, read()[0]);
  run(s);
  EXPECT_EQ(3, read()[0]);
  EXPECT_EQ(11, read()[1]);
  EXPECT_EQ(3, pinned()[0]);
  EXPECT_EQ(77, pinned()[1]);
}

TEST_F(Capture, ForksAndJoinsThroughEvents) {
  CUstream a = stream(), b = stream();
  CUevent fork = event(), join = event();
  CHECK_CU(begin(a));
  CHECK_CU(chain(a, 1));
  CHECK_CU(cuEventRecord(fork, a));
  CHECK_CU(cuStreamWaitEvent(b, fork, 0));
  CUstreamCaptureStatus status;
  CHECK_CU(cuStreamIsCapturing(b, &status));
  EXPECT_EQ(CU_STREAM_CAPTURE_STATUS_ACTIVE, status);
  CHECK_CU(chain(b, 2));
  CHECK_CU(cuEventRecord(join, b));
  CHECK_CU(cuStreamWaitEvent(a, join, 0));
  CHECK_CU(chain(a, 3));
  CHECK_CU(end(a));
  CHECK_CU(cuStreamIsCapturing(b, &status));
  EXPECT_EQ(CU_STREAM_CAPTURE_STATUS_NONE, status);
  run(a);
  EXPECT_EQ((1 * 31 + 2) * 31 + 3, read()[0]);
}

TEST_F(Capture, AnUnjoinedBranchIsAnError) {
  CUstream a = stream(), b = stream();
  CUevent fork = event();
  CHECK_CU(begin(a));
  CHECK_CU(cuEventRecord(fork, a));
  CHECK_CU(cuStreamWaitEvent(b, fork, 0));
  CHECK_CU(chain(b, 2));
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, end(a));
  EXPECT_EQ(nullptr, graph_);
  CHECK_CU(chain(b, 2));  // both are ordinary again
  CHECK_CU(cuStreamSynchronize(b));
}

// Each row: a call that is illegal while a stream is capturing, what it answers, and that the
// capture is gone after it.
TEST_F(Capture, IllegalCallsInvalidate) {
  CUstream s = stream(), blocking = stream(CU_STREAM_DEFAULT), other = stream();
  CUevent inside = event(), outside = event();
  CHECK_CU(cuEventRecord(outside, other));
  struct Row {
    const char* what;
    CUstream stream;
    CUresult answer;
    std::function<CUresult()> call;
  };
  CUdeviceptr memory = 0;
  int host = 0;
  const CUresult unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const CUresult implicit = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  const Row rows[] = {
      {"synchronize", s, unsupported, [&] { return cuStreamSynchronize(s); }},
      {"query", s, unsupported, [&] { return cuStreamQuery(s); }},
      {"context synchronize", s, unsupported, [&] { return cuCtxSynchronize(); }},
      {"malloc", s, unsupported, [&] { return cuMemAlloc_v2(&memory, 16); }},
      {"callback", s, unsupported,
       [&] {
         return cuStreamAddCallback(
             s, [](CUstream, CUresult, void*) {}, nullptr, 0);
       }},
      {"captured event query", s, CUDA_ERROR_CAPTURED_EVENT,
       [&] {
         cuEventRecord(inside, s);
         return cuEventQuery(inside);
       }},
      {"captured event wait", s, CUDA_ERROR_CAPTURED_EVENT,
       [&] {
         cuEventRecord(inside, s);
         return cuEventSynchronize(inside);
       }},
      {"event from outside", s, CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
       [&] { return cuStreamWaitEvent(s, outside, 0); }},
      {"legacy launch", blocking, implicit, [&] { return chain(nullptr, 1); }},
      {"legacy copy", blocking, implicit, [&] { return cuMemcpyDtoH_v2(&host, memory_, 4); }},
      {"legacy synchronize", blocking, implicit, [&] { return cuStreamSynchronize(nullptr); }},
      {"legacy record", blocking, implicit, [&] { return cuEventRecord(outside, nullptr); }},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    CHECK_CU(begin(row.stream));
    CHECK_CU(add(row.stream, 1));
    EXPECT_EQ(row.answer, row.call());
    EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, add(row.stream, 1));
    CUstreamCaptureStatus status;
    CHECK_CU(cuStreamIsCapturing(row.stream, &status));
    EXPECT_EQ(CU_STREAM_CAPTURE_STATUS_INVALIDATED, status);
    EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, end(row.stream));
    EXPECT_EQ(nullptr, graph_);
    CHECK_CU(cuStreamSynchronize(row.stream));
  }
  EXPECT_EQ(0, read()[0]);  // nothing ever ran
}

// In which mode of the capture, and of the calling thread, an allocation is refused.
TEST_F(Capture, ModesDecideWhoseCallsAreUnsafe) {
  constexpr auto kGlobal = CU_STREAM_CAPTURE_MODE_GLOBAL;
  constexpr auto kLocal = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
  constexpr auto kRelaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
  struct Row {
    CUstreamCaptureMode capture, thread;
    bool same_thread, refused;
  };
  CUstream s = stream();
  for (const Row row : {Row{kGlobal, kGlobal, true, true}, Row{kGlobal, kLocal, true, true},
                        Row{kGlobal, kRelaxed, true, false}, Row{kLocal, kGlobal, true, true},
                        Row{kLocal, kLocal, true, true}, Row{kLocal, kRelaxed, true, false},
                        Row{kRelaxed, kGlobal, true, false}, Row{kRelaxed, kLocal, true, false},
                        Row{kGlobal, kGlobal, false, true}, Row{kGlobal, kLocal, false, false},
                        Row{kGlobal, kRelaxed, false, false}, Row{kLocal, kGlobal, false, false},
                        Row{kRelaxed, kGlobal, false, false}}) {
    SCOPED_TRACE(testing::Message() << row.capture << ' ' << row.thread << ' ' << row.same_thread);
    CHECK_CU(begin(s, row.capture));
    CUresult answer = CUDA_SUCCESS;
    const auto call = [&] {
      CUstreamCaptureMode mode = row.thread;
      EXPECT_EQ(CUDA_SUCCESS, cuCtxSetCurrent(context_));
      EXPECT_EQ(CUDA_SUCCESS, cuThreadExchangeStreamCaptureMode(&mode));
      EXPECT_EQ(CU_STREAM_CAPTURE_MODE_GLOBAL, mode);
      CUdeviceptr memory = 0;
      answer = cuMemAlloc_v2(&memory, 16);
      EXPECT_EQ(CUDA_SUCCESS, cuThreadExchangeStreamCaptureMode(&mode));
    };
    if (row.same_thread) {
      call();
    } else {
      std::thread(call).join();
    }
    EXPECT_EQ(row.refused ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS, answer);
    EXPECT_EQ(row.refused ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS, end(s));
  }
}

TEST_F(Capture, EndsWhereItBegan) {
  CUstream a = stream(), b = stream();
  CUevent fork = event();
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, begin(nullptr));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_STATE, end(a));
  CHECK_CU(begin(a));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_STATE, begin(a));
  CHECK_CU(cuEventRecord(fork, a));
  CHECK_CU(cuStreamWaitEvent(b, fork, 0));
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, end(b));
  CUresult elsewhere = CUDA_SUCCESS;
  std::thread([&] {
    cuCtxSetCurrent(context_);
    elsewhere = end(a);
  }).join();
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, elsewhere);
  CHECK_CU(end(a));
}

TEST_F(Capture, TwoCapturesDoNotMerge) {
  CUstream a = stream(), b = stream();
  CUevent e = event();
  CHECK_CU(begin(a));
  CHECK_CU(begin(b));
  CHECK_CU(cuEventRecord(e, a));
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(b, e, 0));
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, end(a));
  EXPECT_EQ(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, end(b));
}

TEST_F(Capture, InfoAndDependenciesCanBeChanged) {
  CUstream s = stream();
  CHECK_CU(begin(s));
  CHECK_CU(chain(s, 1));
  CUstreamCaptureStatus status;
  cuuint64_t id = 0;
  CUgraph graph = nullptr;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  size_t count = 0;
  CHECK_CU(cuStreamGetCaptureInfo_v3(s, &status, &id, &graph, &nodes, &edges, &count));
  ASSERT_EQ(1u, count);
  CUgraphNodeType type;
  CHECK_CU(cuGraphNodeGetType(nodes[0], &type));
  EXPECT_EQ(CU_GRAPH_NODE_TYPE_KERNEL, type);
  CUgraphNode empty = nullptr;
  CHECK_CU(cuGraphAddEmptyNode(&empty, graph, nodes, 1));
  CHECK_CU(cuStreamUpdateCaptureDependencies(s, &empty, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
  CHECK_CU(chain(s, 2));
  CHECK_CU(end(s));
  EXPECT_EQ(graph, graph_);
  size_t edge_count = 0;
  CHECK_CU(cuGraphGetEdges(graph_, nullptr, nullptr, &edge_count));
  EXPECT_EQ(2u, edge_count);
  run(s);
  EXPECT_EQ(33, read()[0]);
}

}  // namespace
}  // namespace exec
