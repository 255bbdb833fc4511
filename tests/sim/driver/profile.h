// SPDX-License-Identifier: Apache-2.0
// What the simulated machine costs: a few numbers per machine, from which the virtual clock derives
// every duration. Rates are in bytes per nanosecond, which is GB/s.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sim {

struct Profile {
  std::string_view name;
  // --- compute ---
  unsigned sms = 0;
  double instructions_per_ns = 0;  // thread instructions of the whole device
  double device_rate = 0;          // HBM, kernels: loaded + stored bytes
  double copy_rate = 0;            // HBM to HBM, copied bytes (each is read and written)
  // --- link ---
  double htod_rate = 0;
  double dtoh_rate = 0;
  double both_rate = 0;  // sum of the two while both run
  // Kernels that touch host memory: their own loads and stores cross the link.
  double zero_copy_load_rate = 0, zero_copy_store_rate = 0;
  double copy_latency_ns = 0;  // from "may start" to the first byte
  // --- device side of a launch ---
  double kernel_latency_ns = 0;
  // --- host side of a call ---
  double launch_ns = 0;
  double copy_call_ns = 0;
  double light_call_ns = 0;  // event record, wait, query
  double sync_ns = 0;        // a wait that finds the work already done
  double graph_launch_ns = 0;
  double graph_launch_node_ns = 0;  // per node
  double module_load_ns = 0;
  // --- host side of memory calls: constant per call, and per MiB where size matters ---
  double alloc_ns = 0, alloc_mib_ns = 0;
  double free_ns = 0, free_mib_ns = 0;
  double alloc_async_ns = 0, free_async_ns = 0;
  double pinned_mib_ns = 0;
  double reserve_ns = 0, address_free_ns = 0;
  double create_ns = 0, create_mib_ns = 0;
  double create_host_mib_ns = 0;  // HOST, HOST_NUMA: pages are found, zeroed and pinned
  double map_ns = 0;
  double set_access_ns = 0, set_access_mib_ns = 0;
  double unmap_ns = 0, unmap_mib_ns = 0;
  double release_ns = 0, release_mib_ns = 0;
};

std::span<const Profile> profiles();

// The profile that SIMCUDA_PROFILE names; for an unknown name the default, said once on stderr.
const Profile& profile();

}  // namespace sim
