// SPDX-License-Identifier: Apache-2.0
// Device-updatable kernel nodes; see device_node.h.
#include "tests/sim/driver/device_node.h"

#include <cstring>
#include <set>

#include "tests/sim/driver/graph.h"

namespace sim {
namespace {

constexpr uint32_t kInvalidValue = 1;  // cudaErrorInvalidValue

struct Table {
  std::mutex mutex;
  std::set<const DeviceNode*> live;
};

Table& table() {
  static auto* all = new Table;
  return *all;
}

}  // namespace

std::shared_ptr<DeviceNode> DeviceNode::make() {
  std::shared_ptr<DeviceNode> made(new DeviceNode);
  std::lock_guard lock(table().mutex);
  table().live.insert(made.get());
  return made;
}

DeviceNode::~DeviceNode() {
  std::lock_guard lock(table().mutex);
  table().live.erase(this);
}

void DeviceNode::reset(const KernelNode& node) {
  std::lock_guard lock(mutex_);
  enabled_ = true;
  grid_ = node.grid;
  parameters_ = node.parameters;
}

bool DeviceNode::read(KernelNode* node) const {
  std::lock_guard lock(mutex_);
  node->grid = grid_;
  node->parameters = parameters_;
  return enabled_;
}

uint32_t DeviceNode::update(const ptx::NodeUpdate& change) {
  std::lock_guard lock(mutex_);
  switch (change.kind) {
    case ptx::NodeUpdate::Kind::Enabled:
      enabled_ = change.enabled;
      return 0;
    case ptx::NodeUpdate::Kind::Grid:
      if (!change.grid.x || !change.grid.y || !change.grid.z) return kInvalidValue;
      grid_ = change.grid;
      return 0;
    case ptx::NodeUpdate::Kind::Parameter:
      if (change.offset > parameters_.size() || change.size > parameters_.size() - change.offset) {
        return kInvalidValue;
      }
      std::memcpy(parameters_.data() + change.offset, change.value, change.size);
      return 0;
  }
  return kInvalidValue;
}

// From device code, on a worker thread; its own handle keeps the node alive no longer than the
// graph.
uint32_t update_device_node(uint64_t handle, const ptx::NodeUpdate& change) {
  auto* const node = reinterpret_cast<DeviceNode*>(handle);
  std::lock_guard lock(table().mutex);
  return table().live.contains(node) ? node->update(change) : kInvalidValue;
}

}  // namespace sim
