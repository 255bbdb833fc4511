// SPDX-License-Identifier: Apache-2.0
// Runs a plan with the driver API. Any call that fails ends the process: exit 3 for out of memory,
// 2 for everything else, with one line on stderr that names the operation and the call.
#pragma once

#include <cuda.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/random/calls.h"
#include "tests/random/plan.h"

namespace random_program {

constexpr int kExitFailed = 2;
constexpr int kExitOutOfMemory = 3;

// A kernel's arguments, in both packings.
class Parameters {
 public:
  template <class T>
  void add(const T& value) {
    const size_t offset = (block_.size() + alignof(T) - 1) / alignof(T) * alignof(T);
    block_.resize(offset + sizeof(T));
    __builtin_memcpy(block_.data() + offset, &value, sizeof(T));
    offsets_.push_back(offset);
  }
  size_t last_offset() const { return offsets_.back(); }
  void** pointers();  // kernelParams
  void** extra();

 private:
  std::vector<char> block_;
  std::vector<size_t> offsets_;
  std::vector<void*> pointers_;
  size_t size_ = 0;
  void* extra_[5] = {};
};

// Room for the bytes of a buffer that is looked at, used again and in huge pages: fresh memory
// would cost more than the look.
class Scratch {
 public:
  char* of(size_t bytes);

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t size_ = 0;
};

class Executor {
 public:
  Executor(const Plan& plan, std::string dump_directory);
  // What the program saw, a line for each observation, in an order that depends on the plan alone.
  std::string run();

 private:
  struct LiveBuffer {
    CUdeviceptr address = 0;
    size_t pitch = 0;
    CUmemGenericAllocationHandle handle = 0;  // Mapped
  };
  struct LiveGraph {
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    std::vector<CUgraphNode> nodes;
  };
  // The host function's order: where and what to write.
  struct HostOrder {
    void* data;
    size_t bytes;
    uint64_t seed;
  };
  struct Turn {  // of one thread in one phase
    int thread = 0;
    size_t index = 0;
    std::string seen;
    Scratch scratch;
  };

  // What a program has of each context.
  struct LiveContext {
    CUcontext context = nullptr;
    CUmodule module = nullptr;
    std::vector<CUfunction> kernels;
    CUmemoryPool default_pool = nullptr, own_pool = nullptr;  // the device's
  };

  // execute.cpp
  void set_up();
  const Calls& calls(const Operation& operation) const;
  CUstream stream(const Operation& operation) const;
  CUdeviceptr device(const Access& access) const;
  CUcontext context_of(const Access& access) const;
  const LiveContext& home(const Operation& operation) const;
  void map(const Buffer& buffer, LiveBuffer* live) const;
  void unmap(const Buffer& buffer, const LiveBuffer& live) const;
  void* host(const Access& access) const;
  HostOrder* host_order(const HostFunction& function);
  static void CUDA_CB run_host_order(void* order);
  void check(CUresult result, const char* call) const;

  void perform(Turn& turn, const Operation& operation, const Allocate& work);
  void perform(Turn& turn, const Operation& operation, const Release& work);
  void perform(Turn& turn, const Operation& operation, const HostFill& work);
  void perform(Turn& turn, const Operation& operation, const HostCheck& work);
  void perform(Turn& turn, const Operation& operation, const HostFunction& work);
  void perform(Turn& turn, const Operation& operation, const Record& work);
  void perform(Turn& turn, const Operation& operation, const WaitEvent& work);
  void perform(Turn& turn, const Operation& operation, const HostWait& work);
  void perform(Turn& turn, const Operation& operation, const Ask& work);
  void perform(Turn& turn, const Operation& operation, const Checkpoint& work);

  // execute_contexts.cpp
  void set_up_contexts();
  void open_context(int context);
  void enter(int context) const;  // makes it the current one
  CUmemoryPool make_pool(int device) const;
  void perform(Turn& turn, const Operation& operation, const MakeContext& work);
  void perform(Turn& turn, const Operation& operation, const DropContext& work);
  void perform(Turn& turn, const Operation& operation, const PeerAccess& work);

  // execute_hidden.cpp
  void set_up_arrays();
  void perform(Turn& turn, const Operation& operation, const StoreAddresses& work);
  void store_by_kernel(const Operation& operation, const StoreAddresses& work,
                       const std::vector<CUdeviceptr>& addresses);
  CUdeviceptr hidden_pointer(const Operation& operation) const;
  void perform(Turn& turn, const Operation& operation, const MakeTexture& work);
  void perform(Turn& turn, const Operation& operation, const DropTexture& work);

  // execute_values.cpp
  void perform(Turn& turn, const Operation& operation, const WriteValue& work);
  void write_in_batch(const Operation& operation, const WriteValue& work);

  // execute_copy.cpp
  void perform(Turn& turn, const Operation& operation, const Set& work);
  void perform(Turn& turn, const Operation& operation, const Copy& work);
  CUDA_MEMCPY2D rows(const Copy& copy) const;
  CUDA_MEMCPY3D volume(const Copy& copy) const;
  CUDA_MEMCPY3D_PEER peer_volume(const Copy& copy) const;
  size_t pitch_of(const Access& access, size_t pitch) const;

  // execute_launch.cpp
  void perform(Turn& turn, const Operation& operation, const Launch& work);
  Parameters parameters(const Launch& launch) const;

  // execute_graph.cpp
  void perform(Turn& turn, const Operation& operation, const MakeGraph& work);
  void perform(Turn& turn, const Operation& operation, const UpdateGraph& work);
  void perform(Turn& turn, const Operation& operation, const LaunchGraph& work);
  void perform(Turn& turn, const Operation& operation, const DropGraph& work);
  CUgraph capture(Turn& turn, const Operation& operation, int second, int mode,
                  const std::vector<Node>& nodes);
  CUgraph build(const LiveContext& home, const std::vector<Node>& nodes,
                std::vector<CUgraphNode>* made);
  void build_into(const LiveContext& home, CUgraph graph, const std::vector<Node>& nodes,
                  std::vector<CUgraphNode>* made);
  CUgraphNode add(const LiveContext& home, CUgraph graph, const std::vector<CUgraphNode>& after,
                  const NodeWork& work);
  // execute_nodes.cpp: each adds its node, or the last of its nodes
  using Nodes = std::vector<CUgraphNode>;
  CUgraphNode add_child(const LiveContext& home, CUgraph graph, const Nodes& after,
                        const Child& child);
  CUgraphNode add_conditional(const LiveContext& home, CUgraph graph, const Nodes& after,
                              const Conditional& conditional);
  CUgraphNode add_updatable(const LiveContext& home, CUgraph graph, const Nodes& after,
                            const Updatable& updatable);
  CUgraphNode add_memory(const LiveContext& home, CUgraph graph, const Nodes& after,
                         const GraphAllocate& work);
  CUgraphNode add_kernel(const LiveContext& home, CUgraph graph, const Nodes& after, Kernel kernel,
                         Parameters parameters);

  CUDA_KERNEL_NODE_PARAMS kernel_node(const LiveContext& home, const Launch& launch,
                                      Parameters* parameters) const;
  CUDA_MEMSET_NODE_PARAMS memset_node(const Set& set) const;
  CUDA_MEMCPY3D memcpy_node(const Copy& copy) const;

  const Plan& plan_;
  std::string dump_directory_;
  std::vector<CUdevice> devices_;
  std::vector<CUmemoryPool> own_pools_;  // of each device
  std::vector<LiveContext> contexts_;
  struct LiveArray {
    CUarray array = nullptr;
    CUsurfObject surface = 0;
  };
  std::vector<LiveBuffer> buffers_;
  std::vector<LiveArray> arrays_;
  std::vector<CUtexObject> textures_;
  std::vector<void*> hosts_;
  std::vector<CUstream> streams_;
  std::vector<CUevent> events_;
  std::vector<LiveGraph> graphs_;
};

}  // namespace random_program
