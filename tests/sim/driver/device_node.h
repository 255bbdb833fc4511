// SPDX-License-Identifier: Apache-2.0
// Kernel nodes that device code may change while the graph runs: what the next run of the node uses
// is looked at when it begins.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/sim/ptx/device_call.h"

namespace sim {

struct KernelNode;

class DeviceNode {
 public:
  static std::shared_ptr<DeviceNode> make();
  ~DeviceNode();
  DeviceNode(const DeviceNode&) = delete;
  DeviceNode& operator=(const DeviceNode&) = delete;

  CUgraphDeviceNode handle() { return reinterpret_cast<CUgraphDeviceNode>(this); }
  void reset(const KernelNode& node);  // to what the host says
  bool read(KernelNode* node) const;   // false: not enabled
  uint32_t update(const ptx::NodeUpdate& change);

 private:
  DeviceNode() = default;
  mutable std::mutex mutex_;
  bool enabled_ = true;
  ptx::Dim grid_;
  std::vector<std::byte> parameters_;
};

// What device code calls; a cudaError_t.
uint32_t update_device_node(uint64_t handle, const ptx::NodeUpdate& change);

}  // namespace sim
