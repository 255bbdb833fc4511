// SPDX-License-Identifier: Apache-2.0
// The world of the soak: what the device has, and what may be used of it and of the host.
#pragma once

#include <cstdint>

namespace soak {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kFootprint = 192 * kMiB;  // of the job, at most
constexpr uint64_t kLeastLimit = 40 * kMiB, kMostLimit = 160 * kMiB;
constexpr uint64_t kDevice = 224 * kMiB, kHost = 256 * kMiB;

}  // namespace soak
