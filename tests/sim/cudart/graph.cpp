// SPDX-License-Identifier: Apache-2.0
// Graphs as a whole: structure, instantiation, update, the objects they keep alive. Nodes are in
// graph_node.cpp.
#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

static_assert(sizeof(cudaGraphEdgeData) == sizeof(CUgraphEdgeData));
static_assert(sizeof(cudaGraphExecUpdateResultInfo) == sizeof(CUgraphExecUpdateResultInfo));

CUDART_EXPORT cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags) {
  return call(&Driver::GraphCreate, graph, flags);
}
CUDART_EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call(&Driver::GraphDestroy, graph);
}
CUDART_EXPORT cudaError_t cudaGraphClone(cudaGraph_t* clone, cudaGraph_t original) {
  return call(&Driver::GraphClone, clone, original);
}
CUDART_EXPORT cudaError_t cudaGraphNodeFindInClone(cudaGraphNode_t* node, cudaGraphNode_t original,
                                                   cudaGraph_t clone) {
  return call(&Driver::GraphNodeFindInClone, node, original, clone);
}
CUDART_EXPORT cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  return call(&Driver::GraphNodeGetType, node, type);
}
CUDART_EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes,
                                            size_t* count) {
  return call(&Driver::GraphGetNodes, graph, nodes, count);
}
CUDART_EXPORT cudaError_t cudaGraphGetRootNodes(cudaGraph_t graph, cudaGraphNode_t* nodes,
                                                size_t* count) {
  return call(&Driver::GraphGetRootNodes, graph, nodes, count);
}
CUDART_EXPORT cudaError_t cudaGraphGetEdges(cudaGraph_t graph, cudaGraphNode_t* from,
                                            cudaGraphNode_t* to, cudaGraphEdgeData* data,
                                            size_t* count) {
  return call(&Driver::GraphGetEdges, graph, from, to, data, count);
}
CUDART_EXPORT cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t* nodes,
                                                       cudaGraphEdgeData* data, size_t* count) {
  return call(&Driver::GraphNodeGetDependencies, node, nodes, data, count);
}
CUDART_EXPORT cudaError_t cudaGraphNodeGetDependentNodes(cudaGraphNode_t node,
                                                         cudaGraphNode_t* nodes,
                                                         cudaGraphEdgeData* data, size_t* count) {
  return call(&Driver::GraphNodeGetDependentNodes, node, nodes, data, count);
}
CUDART_EXPORT cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                                   const cudaGraphNode_t* to,
                                                   const cudaGraphEdgeData* data, size_t count) {
  return call(&Driver::GraphAddDependencies, graph, from, to, data, count);
}
CUDART_EXPORT cudaError_t cudaGraphRemoveDependencies(cudaGraph_t graph,
                                                      const cudaGraphNode_t* from,
                                                      const cudaGraphNode_t* to,
                                                      const cudaGraphEdgeData* data, size_t count) {
  return call(&Driver::GraphRemoveDependencies, graph, from, to, data, count);
}
CUDART_EXPORT cudaError_t cudaGraphDestroyNode(cudaGraphNode_t node) {
  return call(&Driver::GraphDestroyNode, node);
}
CUDART_EXPORT cudaError_t cudaGraphDebugDotPrint(cudaGraph_t graph, const char* path,
                                                 unsigned flags) {
  return call(&Driver::GraphDebugDotPrint, graph, path, flags);
}

CUDART_EXPORT cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                                        unsigned long long flags) {
  return call(&Driver::GraphInstantiateWithFlags, exec, graph, flags);
}
CUDART_EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                               unsigned long long flags) {
  return cudaGraphInstantiateWithFlags(exec, graph, flags);
}
CUDART_EXPORT cudaError_t cudaGraphExecGetFlags(cudaGraphExec_t exec, unsigned long long* flags) {
  return call(&Driver::GraphExecGetFlags, exec, flags);
}
CUDART_EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call(&Driver::GraphExecDestroy, exec);
}
CUDART_EXPORT cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                              cudaGraphExecUpdateResultInfo* result) {
  return call(&Driver::GraphExecUpdate, exec, graph, result);
}
CUDART_EXPORT cudaError_t cudaGraphNodeSetEnabled(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                  unsigned enabled) {
  return call(&Driver::GraphNodeSetEnabled, exec, node, enabled);
}
CUDART_EXPORT cudaError_t cudaGraphNodeGetEnabled(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                  unsigned* enabled) {
  return call(&Driver::GraphNodeGetEnabled, exec, node, enabled);
}
CUDART_EXPORT cudaError_t cudaGraphConditionalHandleCreate(cudaGraphConditionalHandle* handle,
                                                           cudaGraph_t graph, unsigned value,
                                                           unsigned flags) {
  CUcontext context = nullptr;
  if (const cudaError_t error = need_context(); error != cudaSuccess) return remember(error);
  driver().CtxGetCurrent(&context);
  return call(&Driver::GraphConditionalHandleCreate, handle, graph, context, value, flags);
}

CUDART_EXPORT cudaError_t cudaUserObjectCreate(cudaUserObject_t* object, void* pointer,
                                               cudaHostFn_t destroy, unsigned references,
                                               unsigned flags) {
  return call(&Driver::UserObjectCreate, object, pointer, destroy, references, flags);
}
CUDART_EXPORT cudaError_t cudaUserObjectRetain(cudaUserObject_t object, unsigned count) {
  return call(&Driver::UserObjectRetain, object, count);
}
CUDART_EXPORT cudaError_t cudaUserObjectRelease(cudaUserObject_t object, unsigned count) {
  return call(&Driver::UserObjectRelease, object, count);
}
CUDART_EXPORT cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t object,
                                                    unsigned count, unsigned flags) {
  return call(&Driver::GraphRetainUserObject, graph, object, count, flags);
}
CUDART_EXPORT cudaError_t cudaGraphReleaseUserObject(cudaGraph_t graph, cudaUserObject_t object,
                                                     unsigned count) {
  return call(&Driver::GraphReleaseUserObject, graph, object, count);
}
