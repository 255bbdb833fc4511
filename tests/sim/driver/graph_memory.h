// SPDX-License-Identifier: Apache-2.0
// Memory of allocation nodes. Its address is fixed when the node is made; bytes are behind it, and
// charged, from the first launch on; the device sees them between the allocation and the free.
// Guarded by the scheduler's lock, but for what runs on the device.
#pragma once

#include <cuda.h>

#include <atomic>
#include <memory>
#include <vector>

#include "tests/sim/driver/stream.h"
#include "tests/sim/driver/window.h"

namespace sim {

struct Graph;
struct GraphExec;

class GraphMemory : public std::enable_shared_from_this<GraphMemory> {
 public:
  static std::shared_ptr<GraphMemory> make(int device, size_t bytes, const Rights& rights);
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  CUdeviceptr address() const { return address_; }
  size_t bytes() const { return bytes_; }
  int device() const { return device_; }
  bool back();  // false: out of memory
  Work appear();
  Work vanish();
  bool trim();  // gives back bytes that nobody uses; false: there are none

  // In the order of the host's calls.
  // Graphs are compared, not followed.
  const Graph* owner = nullptr;     // that has the allocation node
  const Graph* freed_in = nullptr;  // that has a free node
  bool live() const { return live_; }
  void set_live(bool live);

 private:
  GraphMemory() = default;
  int device_ = 0;
  size_t bytes_ = 0;
  CUdeviceptr address_ = 0;
  Rights rights_;
  Backing backing_;
  bool backed_ = false, live_ = false;
  std::atomic<unsigned> in_flight_{0};
  std::atomic<bool> shown_{false};
};

// What lies at the beginning of an allocation node's memory; null: nothing.
std::shared_ptr<GraphMemory> find_graph_memory(CUdeviceptr address);
bool uses_graph_memory(const Graph& graph);  // child graphs and bodies too
// The graph is destroyed: its nodes let go of their memory.
void drop_graph_memory(Graph& graph);
// Checks and marks what a launch allocates and frees; what must happen before it.
CUresult launch_graph_memory(const GraphExec& exec, std::vector<Work>* before);
// cuMemFree, cuMemFreeAsync of such memory: the work that does it. INVALID_VALUE: not now.
CUresult free_graph_memory(CUdeviceptr address, Work* work);

// graph_memory_api.cpp: nodes from the application's descriptions and from captured calls.
struct AllocNode;
struct FreeNode;
CUresult read_alloc(CUDA_MEM_ALLOC_NODE_PARAMS* params, AllocNode* out);  // takes the lock
CUresult make_free(CUdeviceptr address, const Graph& graph, FreeNode* out);
CUresult capture_alloc(Stream* stream, int device, size_t bytes, CUdeviceptr* out);  // takes it
CUresult capture_free(Stream* stream, CUdeviceptr address);                          // takes it

}  // namespace sim
