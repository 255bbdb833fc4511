// SPDX-License-Identifier: Apache-2.0
// Memory of allocation nodes; see graph_memory.h.
#include "tests/sim/driver/graph_memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/graph.h"
#include "tests/sim/driver/vmm.h"
#include "tests/sim/ptx/fault.h"

namespace sim {
namespace {

struct Use {
  uint64_t used = 0, used_high = 0, reserved = 0, reserved_high = 0;
};

// With a lock of its own: what runs on the device may be the last to let go of memory.
struct Table {
  std::mutex mutex;
  std::map<CUdeviceptr, std::weak_ptr<GraphMemory>> all;
  std::set<std::shared_ptr<GraphMemory>> live;  // outlives its graph
  std::map<int, Use> use;                       // by device
};

Table& table() {
  static auto* memories = new Table;
  return *memories;
}

void change(uint64_t* now, uint64_t* high, int64_t by) {
  *now += static_cast<uint64_t>(by);
  *high = std::max(*high, *now);
}

// Allocation and free nodes of a graph and of those inside it.
void collect(const Graph& graph, std::vector<GraphMemory*>* made,
             std::vector<GraphMemory*>* freed) {
  for (const auto& node : graph.nodes) {
    if (const auto* alloc = std::get_if<AllocNode>(&node->what))
      made->push_back(alloc->memory.get());
    if (const auto* free = std::get_if<FreeNode>(&node->what)) freed->push_back(free->memory.get());
    for (const auto& inner : inner_graphs(node->what)) collect(*inner, made, freed);
  }
}

bool among(const std::vector<GraphMemory*>& all, const GraphMemory* one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

struct Spoil {
  int device;
  CUdeviceptr address;
  size_t bytes;
};

}  // namespace

std::shared_ptr<GraphMemory> GraphMemory::make(int device, size_t bytes, const Rights& rights) {
  std::shared_ptr<GraphMemory> made(new GraphMemory);
  made->device_ = device;
  made->bytes_ = bytes;
  made->rights_ = rights;
  made->address_ = take_addresses(round_up(bytes, kGranularity) + kGap, kGranularity);
  if (made->address_ == 0) return nullptr;
  Allocation entry;
  entry.extent = {.kind = Extent::Kind::Graph,
                  .base = made->address_,
                  .size = bytes,
                  .type = CU_MEMORYTYPE_DEVICE,
                  .device = device,
                  .buffer_id = next_buffer_id()};
  entry.rights = rights;
  enter(std::move(entry));
  std::lock_guard lock(table().mutex);
  table().all[made->address_] = made;
  return made;
}

GraphMemory::~GraphMemory() {
  if (address_ == 0) return;
  hide(rights_, address_, round_up(bytes_, kGranularity));
  remove(address_, Extent::Kind::Graph);
  trim();
  give_addresses(address_, round_up(bytes_, kGranularity) + kGap);
  std::lock_guard lock(table().mutex);
  table().all.erase(address_);
}

bool GraphMemory::back() {
  if (backed_) return true;
  const size_t size = round_up(bytes_, kGranularity);
  if (!store(device_).allocate(size, size, &backing_)) return false;
  backed_ = true;
  std::lock_guard lock(table().mutex);
  Use& use = table().use[device_];
  change(&use.reserved, &use.reserved_high, static_cast<int64_t>(size));
  return true;
}

bool GraphMemory::trim() {
  if (!backed_ || live_ || shown_ || in_flight_ != 0) return false;
  store(device_).release(backing_);
  backed_ = false;
  std::lock_guard lock(table().mutex);
  Use& use = table().use[device_];
  change(&use.reserved, &use.reserved_high, -static_cast<int64_t>(round_up(bytes_, kGranularity)));
  return true;
}

void GraphMemory::set_live(bool live) {
  if (live_ == live) return;
  live_ = live;
  const auto self = shared_from_this();  // let go of behind the lock
  std::lock_guard lock(table().mutex);
  Use& use = table().use[device_];
  const auto bytes = static_cast<int64_t>(round_up(bytes_, kGranularity));
  change(&use.used, &use.used_high, live ? bytes : -bytes);
  if (live) {
    table().live.insert(self);
  } else {
    table().live.erase(self);
  }
}

// The bytes are garbage again each time: what an earlier launch left is not to be relied on.
Work GraphMemory::appear() {
  in_flight_++;
  Work work;
  work.name = "allocation node";
  work.after_error = true;
  work.run = [self = shared_from_this(), salt = next_buffer_id()]() mutable {
    show(self->rights_, self->address_, self->backing_, round_up(self->bytes_, kGranularity));
    constexpr size_t kGarbage = 1 << 20;
    scribble(window(self->device_).host(self->address_), std::min(self->bytes_, kGarbage), salt);
    self->shown_ = true;
    self->in_flight_--;
    self.reset();
    return Done{};
  };
  return work;
}

Work GraphMemory::vanish() {
  in_flight_++;
  Work work;
  work.name = "free node";
  work.after_error = true;
  work.run = [self = shared_from_this()]() mutable {
    hide(self->rights_, self->address_, round_up(self->bytes_, kGranularity));
    self->shown_ = false;
    self->in_flight_--;
    self.reset();
    return Done{};
  };
  return work;
}

std::shared_ptr<GraphMemory> find_graph_memory(CUdeviceptr address) {
  std::lock_guard lock(table().mutex);
  const auto it = table().all.find(address);
  return it == table().all.end() ? nullptr : it->second.lock();
}

bool uses_graph_memory(const Graph& graph) {
  std::vector<GraphMemory*> made, freed;
  collect(graph, &made, &freed);
  return !made.empty() || !freed.empty();
}

void drop_graph_memory(Graph& graph) {
  for (const auto& node : graph.nodes) {
    if (std::holds_alternative<AllocNode>(node->what) ||
        std::holds_alternative<FreeNode>(node->what)) {
      node->what = EmptyNode{};
    }
    for (const auto& inner : inner_graphs(node->what)) drop_graph_memory(*inner);
  }
}

CUresult launch_graph_memory(const GraphExec& exec, std::vector<Work>* before) {
  std::vector<GraphMemory*> made, freed;
  collect(*exec.graph, &made, &freed);
  const bool auto_free = exec.flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
  for (const GraphMemory* memory : made) {
    if (memory->live() && !auto_free) return CUDA_ERROR_INVALID_VALUE;
  }
  for (const GraphMemory* memory : freed) {
    if (!among(made, memory) && !memory->live()) return CUDA_ERROR_INVALID_VALUE;
  }
  for (GraphMemory* memory : made) {
    if (!memory->back()) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (GraphMemory* memory : made) {
    if (memory->live()) before->push_back(memory->vanish());
    memory->set_live(true);
  }
  for (GraphMemory* memory : freed) memory->set_live(false);
  return CUDA_SUCCESS;
}

CUresult free_graph_memory(CUdeviceptr address, Work* work) {
  const auto memory = find_graph_memory(address);
  if (!memory || !memory->live()) return CUDA_ERROR_INVALID_VALUE;
  *work = memory->vanish();
  memory->set_live(false);
  return CUDA_SUCCESS;
}

}  // namespace sim

SIM_API cuDeviceGraphMemTrim(CUdevice device) {
  SIM_ENTER(cuDeviceGraphMemTrim);
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  const auto lock = sim::Scheduler::get().lock();
  std::vector<std::shared_ptr<sim::GraphMemory>> all;
  {
    std::lock_guard own(sim::table().mutex);
    for (const auto& [address, weak] : sim::table().all) all.push_back(weak.lock());
  }
  for (const auto& memory : all) {
    if (memory && memory->device() == device) memory->trim();
  }
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void* out) {
  SIM_ENTER(cuDeviceGetGraphMemAttribute);
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(sim::table().mutex);
  const sim::Use& use = sim::table().use[device];
  auto* const value = static_cast<cuuint64_t*>(out);
  switch (attribute) {
    case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT:
      return *value = use.used, CUDA_SUCCESS;
    case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
      return *value = use.used_high, CUDA_SUCCESS;
    case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT:
      return *value = use.reserved, CUDA_SUCCESS;
    case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
      return *value = use.reserved_high, CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// Only the high marks, and only to zero: from now on.
SIM_API cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void* value) {
  SIM_ENTER(cuDeviceSetGraphMemAttribute);
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!value || *static_cast<const cuuint64_t*>(value) != 0) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(sim::table().mutex);
  sim::Use& use = sim::table().use[device];
  if (attribute == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH) return use.used_high = use.used, CUDA_SUCCESS;
  if (attribute == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH) {
    return use.reserved_high = use.reserved, CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}
