// SPDX-License-Identifier: Apache-2.0
// The table of machines. Marks: [R] reported by others for this part, [I] inferred, [D] data sheet.
#include "tests/sim/driver/profile.h"

namespace sim {
namespace {

// Costs of memory calls hardly differ between the three parts in what is published, and no source
// has all of them for one part, so they are written once. [R] A100: reserve 2-19 us, create 29-193
// us for 2 MiB, map 1.5-2 us, set access 36-40 us, unmap 26-34 us, release 23 us; cuMemCreate + map
// + access of 64 MiB to 4 GiB takes 0.2-0.6 ms, hence about 0.1 us per MiB on top of the constant.
// [R] 33 GiB pinned in 7.96 s: 0.23 ms per MiB.
constexpr Profile with_memory_costs(Profile p) {
  p.alloc_ns = 60'000, p.alloc_mib_ns = 100;  // [I] what create + map + access cost
  p.free_ns = 60'000, p.free_mib_ns = 100;
  p.alloc_async_ns = 1'500, p.free_async_ns = 1'500;  // [I] pool hit
  p.pinned_mib_ns = 233'000;
  p.reserve_ns = 2'000, p.address_free_ns = 2'000;
  p.create_ns = 29'000, p.create_mib_ns = 100;
  p.create_host_mib_ns = 233'000;  // [I] pinned memory like any other
  p.map_ns = 2'000;
  p.set_access_ns = 38'000, p.set_access_mib_ns = 100;
  p.unmap_ns = 30'000, p.unmap_mib_ns = 100;
  p.release_ns = 23'000, p.release_mib_ns = 100;
  // [I] microseconds, as every published microbenchmark of launches has them.
  p.copy_latency_ns = 1'500, p.kernel_latency_ns = 1'500;
  p.launch_ns = 2'500, p.copy_call_ns = 3'000, p.light_call_ns = 500, p.sync_ns = 1'000;
  p.graph_launch_ns = 5'000, p.graph_launch_node_ns = 50;
  p.module_load_ns = 300'000;
  return p;
}

constexpr Profile kProfiles[] = {
    // H200 SXM, PCIe 5.0 x16. [D] 132 SMs of 128 lanes at 1.83 GHz; [R] kernels read 4.0 TB/s,
    // device
    // to device copies 3.93 TB/s read + written; [R] 55.4 / 55.2 GB/s, about 100 both ways at once;
    // [R] kernels 35.2 in and 52.8 out (H100 PCIe 5).
    with_memory_costs({.name = "h200-pcie5",
                       .sms = 132,
                       .instructions_per_ns = 132 * 128 * 1.83,
                       .device_rate = 4000,
                       .copy_rate = 1965,
                       .htod_rate = 55.4,
                       .dtoh_rate = 55.2,
                       .both_rate = 100,
                       .zero_copy_load_rate = 35.2,
                       .zero_copy_store_rate = 52.8}),
    // GH200 96 GB, NVLink-C2C. [D] 132 SMs at 1.98 GHz, 4 TB/s of HBM3, of which [I] 90 %;
    // [R] copy engines 340 / 295 GB/s, 160 in while 295 go out; [R] kernels 342 in, about 15 % less
    // out.
    with_memory_costs({.name = "gh200-c2c",
                       .sms = 132,
                       .instructions_per_ns = 132 * 128 * 1.98,
                       .device_rate = 3600,
                       .copy_rate = 1800,
                       .htod_rate = 340,
                       .dtoh_rate = 295,
                       .both_rate = 455,
                       .zero_copy_load_rate = 342,
                       .zero_copy_store_rate = 250}),
    // V100 SXM2 in a POWER9 with three NVLink 2 bricks. [D] 80 SMs of 64 lanes at 1.53 GHz, 900
    // GB/s
    // of HBM2, of which [I] 88 %; [R] 68 of 75 GB/s, and [I] the same the other way, independently,
    // kernels too.
    with_memory_costs({.name = "v100-nvlink2",
                       .sms = 80,
                       .instructions_per_ns = 80 * 64 * 1.53,
                       .device_rate = 790,
                       .copy_rate = 380,
                       .htod_rate = 68,
                       .dtoh_rate = 68,
                       .both_rate = 136,
                       .zero_copy_load_rate = 68,
                       .zero_copy_store_rate = 68}),
};

}  // namespace

std::span<const Profile> profiles() {
  return kProfiles;
}

}  // namespace sim
