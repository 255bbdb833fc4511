// SPDX-License-Identifier: Apache-2.0
// The way between device and host, as copies see it. Rates are in bytes per nanosecond, which is
// GB/s.
#pragma once

#include <span>
#include <string_view>

namespace spillway::policy {

struct Link {
  std::string_view name;
  double in = 0;    // to the device, alone
  double out = 0;   // to the host, alone
  double both = 0;  // the sum of the two while both run; in + out where they are independent
};

// Published figures of three machines (their sources: tests/sim/driver/profile.cpp, which the tests
// hold against these).
std::span<const Link> links();
const Link* find_link(std::string_view name);  // null: there is none of that name

}  // namespace spillway::policy
