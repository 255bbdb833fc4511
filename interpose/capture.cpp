// SPDX-License-Identifier: Apache-2.0
// Stream capture: while it lasts, launches are recorded and not run, and a stream that captures
// cannot be asked how far it is.
#include "interpose/body.h"

BODY_PTSZ(cuStreamBeginCapture, (CUstream stream), (stream),
          manager->begin_capture(on(stream), submit))
BODY_PTSZ(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode), (stream, mode),
          manager->begin_capture(on(stream), submit))
BODY_PTSZ(cuStreamBeginCaptureToGraph,
          (CUstream stream, CUgraph graph, const CUgraphNode* nodes, const CUgraphEdgeData* edges,
           size_t count, CUstreamCaptureMode mode),
          (stream, graph, nodes, edges, count, mode), manager->begin_capture(on(stream), submit))
BODY_PTSZ(cuStreamEndCapture, (CUstream stream, CUgraph* graph), (stream, graph),
          manager->end_capture(submit))
