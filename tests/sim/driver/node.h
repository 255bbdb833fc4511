// SPDX-License-Identifier: Apache-2.0
// What can be done on the device, as data: the same description is run in a stream, recorded by a
// capture, and kept in a graph node.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <variant>
#include <vector>

#include "tests/sim/driver/module.h"
#include "tests/sim/driver/stream.h"
#include "tests/sim/driver/streams.h"

namespace sim {

struct Graph;
class DeviceNode;   // device_node.h
struct Progress;    // programmatic.h
class GraphMemory;  // graph_memory.h

struct KernelNode {
  CUfunction handle = nullptr;  // as the application gave it
  LoadedKernel kernel;
  ptx::Dim grid, block;
  unsigned shared_bytes = 0;
  bool cooperative = false;
  std::vector<std::byte> parameters;  // in device layout
  std::vector<CUlaunchAttribute> attributes;
  std::shared_ptr<DeviceNode> device_node;  // null: not device-updatable
  bool programmatic = false;                // may overlap the kernel before it in its stream
  std::shared_ptr<Progress> progress;       // null: in a graph
};

// One side of a copy. A plain host address and a device address are told apart by `space`.
struct CopySide {
  enum class Space { Pageable, Pinned, Device } space = Space::Device;
  uint64_t address = 0;
  size_t pitch = 0;      // bytes from row to row
  size_t height = 0;     // rows from slice to slice
  bool on_host = false;  // where the bytes are: also true of device addresses backed by the host
  int device = -1;       // that a peer copy names for this side; -1: the context's
};

struct CopyNode {
  CopySide to, from;
  size_t width = 0, height = 1, depth = 1;  // bytes, rows, slices
  Engine engine = Engine::CopyDtoD;
  CUDA_MEMCPY3D asked{};  // as the application gave it, for the graph queries
  std::shared_ptr<const std::vector<std::byte>> staged;  // the source, read at call time
};

struct FillNode {
  CUdeviceptr address = 0;
  size_t pitch = 0;
  unsigned value = 0;
  unsigned element = 1;
  size_t width = 0, height = 1;  // elements, rows
};

struct HostNode {
  CUhostFn function = nullptr;
  void* data = nullptr;
};

struct EmptyNode {};

struct ChildNode {
  std::shared_ptr<Graph> graph;
};

struct RecordNode {
  EventPtr event;
};

struct WaitNode {
  EventPtr event;
};

struct MemOpNode {
  std::vector<CUstreamBatchMemOpParams> operations;
};

// What a conditional handle names.
struct Condition {
  Context* context = nullptr;
  const Graph* graph = nullptr;  // that it was made for; compared, not followed
  unsigned standard = 0;
  bool assign = false;  // the default, at each launch
  bool used = false;    // a node has it
  std::atomic<unsigned> value{0};
};

struct ConditionalNode {
  std::shared_ptr<Condition> condition;
  CUgraphConditionalNodeType type = CU_GRAPH_COND_TYPE_IF;
  std::vector<std::shared_ptr<Graph>> bodies;
};

struct AllocNode {
  std::shared_ptr<GraphMemory> memory;
};

struct FreeNode {
  std::shared_ptr<GraphMemory> memory;
};

using Node = std::variant<KernelNode, CopyNode, FillNode, HostNode, EmptyNode, ChildNode,
                          RecordNode, WaitNode, MemOpNode, ConditionalNode, AllocNode, FreeNode>;

// The graphs inside a node: a child, or the bodies of a conditional.
std::vector<std::shared_ptr<Graph>> inner_graphs(const Node& node);

// The work of one node; markers (no run) for those that only order.
Work make_work(Context* context, const Node& node);
Work kernel_work(Context* context, const KernelNode& node);
Work copy_work(const Context* context, const CopyNode& node);
Work fill_work(const Context* context, const FillNode& node);
Work host_work(const HostNode& node);
Work mem_op_work(const Context* context, const MemOpNode& node);

// In the stream: runs it, or records it when the stream is capturing.
CUresult submit(Stream* stream, Node node);
CUresult capture_node(Stream& stream, Node node);  // lock held, stream capturing
CUresult record_event(Scheduler::Lock& lock, Event& event, Stream& stream);

}  // namespace sim
