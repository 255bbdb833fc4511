// SPDX-License-Identifier: Apache-2.0
// The machines of the replay model are those of the simulated GPU: figures that stand in two places
// are the same in both.
#include <gtest/gtest.h>

#include <string>

#include "policy/link.h"
#include "policy/link_clock.h"
#include "policy/replay.h"
#include "tests/sim/driver/profile.h"
#include "tests/workloads/job.h"

namespace spillway::policy {
namespace {

TEST(Links, AreThoseOfTheSimulatedMachines) {
  ASSERT_EQ(links().size(), sim::profiles().size());
  for (const sim::Profile& profile : sim::profiles()) {
    SCOPED_TRACE(profile.name);
    const Link* link = find_link(profile.name);
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(link->in, profile.htod_rate);
    EXPECT_EQ(link->out, profile.dtoh_rate);
    EXPECT_EQ(link->both, profile.both_rate);
  }
}

TEST(Links, StartCopiesAndKernelsAsTheSimulatedMachinesDo) {
  for (const sim::Profile& profile : sim::profiles()) {
    SCOPED_TRACE(profile.name);
    EXPECT_EQ(LinkClock::kLatency, profile.copy_latency_ns);
    EXPECT_EQ(Machine().launch_ns, profile.launch_ns);
  }
}

TEST(Links, HaveTheWorkloadsOfTheFirstOfTheirMachines) {
  const sim::Profile& h200 = sim::profiles()[0];
  EXPECT_EQ(std::string(h200.name).substr(0, 4), "h200");
  EXPECT_EQ(workloads::kBytesPerSecond, h200.device_rate * 1e9);
}

}  // namespace
}  // namespace spillway::policy
