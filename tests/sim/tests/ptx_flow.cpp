// SPDX-License-Identifier: Apache-2.0
// Divergence, calls, barriers and lanes that wait for each other.
#include <thread>

#include "tests/sim/tests/kernels/ptx_flow.h"
#include "tests/sim/tests/ptx_device.h"

namespace sim::ptx::test {
namespace {

// Twice: as nvcc optimises, and as it compiles for a debugger (-G: other code, debug sections).
class Flow : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { module_ = device_.load_file(GetParam()); }
  template <class... A>
  void ok(const char* name, const Launch& launch, const A&... a) {
    Result r = device_.launch(*module_, name, launch, a...);
    ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  }
  Device device_;
  std::unique_ptr<Module> module_;
};
INSTANTIATE_TEST_SUITE_P(Compiled, Flow, testing::Values("flow.ptx", "flow_debug.ptx"),
                         [](const auto& p) {
                           return std::string(p.param[4] == '.' ? "optimised" : "debug");
                         });

TEST_P(Flow, DivergentFunctionsAgreeWithTheHost) {
  const int n = 3000;
  std::vector<unsigned> in(n);
  for (int i = 0; i < n; ++i)
    in[i] = i < 1000 ? static_cast<unsigned>(i) : mix(static_cast<unsigned>(i));
  const uint64_t di = device_.put(in), out = device_.allocate(n * 4);
  auto compare = [&](const char* name, unsigned (*host)(unsigned)) {
    ok(name, grid({24}, {128}), di, out, n);
    auto got = device_.get<unsigned>(out, n);
    for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], host(in[i])) << name << "(" << in[i] << ")";
  };
#define COMPARE(f) compare("flow_" #f, f);
  FLOW_FUNCTIONS(COMPARE)
#undef COMPARE
}

TEST_P(Flow, Recursion) {
  const uint64_t out = device_.allocate(256);
  ok("recursion", grid({1}, {48}), out);
  auto got = device_.get<unsigned>(out, 48);
  for (unsigned i = 0; i < 48; ++i) EXPECT_EQ(got[i], fibonacci(i % 12));
}

TEST_P(Flow, FunctionPointersThatDiffer) {
  std::vector<unsigned> which(64);
  for (unsigned i = 0; i < 64; ++i) which[i] = mix(i) % 3;
  const uint64_t dw = device_.put(which), out = device_.allocate(256);
  ok("pointers", grid({1}, {64}), dw, out);
  auto got = device_.get<unsigned>(out, 64);
  for (unsigned i = 0; i < 64; ++i)
    EXPECT_EQ(got[i], (which[i] == 0 ? i * 2 : which[i] == 1 ? i * i : ~i) + 1);
}

TEST_P(Flow, EveryLaneTakesTheLock) {
  const uint64_t mutex = device_.put(std::vector<int>{0}),
                 counter = device_.put(std::vector<int>{0});
  ok("lock", grid({3}, {96}), mutex, counter);
  EXPECT_EQ(device_.get<int>(counter, 1)[0], 288);
}

TEST_P(Flow, BarriersInLoops) {
  const uint64_t out = device_.allocate(4 * 96 * 4);
  ok("barriers", grid({4}, {96}), out);
  auto got = device_.get<unsigned>(out, 4 * 96);
  for (unsigned b = 0; b < 4; ++b) {
    std::vector<unsigned> line(96), next(96);
    for (unsigned t = 0; t < 96; ++t) line[t] = t + b;
    for (unsigned round = 0; round < 3 + b; ++round) {
      for (unsigned t = 0; t < 96; ++t) {
        unsigned v = line[(t + 1) % 96];
        if (t & 1) v = mix(v);
        if (t % 7 == round) v += loops(v) & 1;
        next[t] = v;
      }
      line.swap(next);
    }
    for (unsigned t = 0; t < 96; ++t) ASSERT_EQ(got[b * 96 + t], line[95 - t]) << b << " " << t;
  }
}

TEST_P(Flow, ExitedThreadsLeaveTheBarrier) {
  const uint64_t out = device_.allocate(256);
  ok("leavers", grid({1}, {64}), out);
  auto got = device_.get<unsigned>(out, 64);
  unsigned total = 0;
  for (unsigned i = 0; i < 64; ++i) EXPECT_EQ(got[i], total += 64 - i);
}

TEST_P(Flow, BarrierReductions) {
  const uint64_t out = device_.allocate(400);
  ok("barrier_counts", grid({1}, {100}), out);
  for (unsigned v : device_.get<unsigned>(out, 100)) EXPECT_EQ(v, 50u | 1u << 16 | 1u << 17);
}

TEST_P(Flow, PartsOfAWarp) {
  const uint64_t out = device_.allocate(256);
  ok("halves", grid({1}, {32}), out);
  auto got = device_.get<unsigned>(out, 64);
  unsigned r[32], s[32];
  for (unsigned i = 0; i < 16; ++i) r[i] = 0xaaaau + (i ^ 1);
  for (unsigned i = 16; i < 32; ++i) r[i] = 0xcccc0000u ^ 60u;
  for (unsigned i = 0; i < 32; ++i) s[i] = r[i] + r[i + 16 < 32 ? i + 16 : i];
  for (unsigned step : {4u, 2u, 1u}) {
    for (unsigned i = 0; i < 32; ++i) r[i] = s[i] + s[i % 8 + step < 8 ? i + step : i];
    std::copy(r, r + 32, s);
  }
  for (unsigned i = 0; i < 32; ++i) {
    EXPECT_EQ(got[i], s[i]) << i;
    EXPECT_EQ(got[32 + i], i % 3 ? 0u : 0x49249249u) << i;
  }
}

TEST_P(Flow, MatchAndVote) {
  std::vector<unsigned> in(32);
  for (unsigned i = 0; i < 32; ++i) in[i] = mix(i) % 50;
  const uint64_t di = device_.put(in), out = device_.allocate(384);
  ok("matches", grid({1}, {32}), di, out);
  auto got = device_.get<unsigned>(out, 96);
  bool above = false;
  for (unsigned v : in) above |= v > 48;
  for (unsigned i = 0; i < 32; ++i) {
    unsigned same = 0;
    for (unsigned j = 0; j < 32; ++j) same |= static_cast<unsigned>(in[j] == in[i]) << j;
    EXPECT_EQ(got[i], same);
    EXPECT_EQ(got[32 + i], ~1u) << "all lanes, and the flag is set";
    EXPECT_EQ(got[64 + i], 1u | static_cast<unsigned>(above) << 1);
  }
}

TEST_P(Flow, CooperativeGrid) {
  const unsigned n = 5 * 64;
  const uint64_t line = device_.allocate(n * 4), out = device_.allocate(n * 4);
  Launch launch = grid({5}, {64});
  launch.cooperative = true;
  ok("grid_sync", launch, line, out, 4);
  auto got = device_.get<unsigned>(out, n);
  for (unsigned i = 0; i < n; ++i) EXPECT_EQ(got[i], (i + 4 * 65) % n + 4);
  Result r = device_.launch(*module_, "grid_sync", grid({5}, {64}), line, out, 4);
  EXPECT_EQ(r.outcome, Outcome::Trap) << "an ordinary launch has no grid barrier";
}

TEST_P(Flow, Printf) {
  testing::internal::CaptureStdout();
  ok("print", grid({1}, {32}), 2);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "t0  0.00|ab  |123456789a % z 7\nt1  1.50|ab  |123456789a % z 7\n");
}

TEST_P(Flow, AssertAndTrap) {
  testing::internal::CaptureStderr();
  Result r = device_.launch(*module_, "asserts", grid({1}, {32}), 7);
  EXPECT_EQ(r.outcome, Outcome::Trap);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("thread: [7,0,0] Assertion `threadIdx.x < limit` failed."), std::string::npos)
      << said;
  ok("asserts", grid({1}, {32}), 32);
  r = device_.launch(*module_, "traps", grid({1}, {32}), 3);
  EXPECT_EQ(r.outcome, Outcome::Trap);
  EXPECT_NE(r.message.find("traps: trap"), std::string::npos) << r.message;
  ok("traps", grid({1}, {32}), 32);
}

TEST_P(Flow, DeviceHeap) {
  const uint64_t out = device_.allocate(256);
  ok("heap", grid({1}, {40}), out);
  auto got = device_.get<unsigned>(out, 40);
  for (unsigned i = 0; i < 40; ++i) EXPECT_EQ(got[i], i * (i + 1) / 2);
}

TEST_P(Flow, ThreadsThatNeverMeet) {
  const uint64_t out = device_.put(std::vector<int>{0});
  Result r = device_.launch(*module_, "dead_lock", grid({1}, {64}), out);
  EXPECT_EQ(r.outcome, Outcome::BarrierError) << r.message;
  EXPECT_EQ(device_.get<int>(out, 1)[0], 0);
}

TEST_P(Flow, ManyHostThreadsAtOnce) {
  const int n = 1024;
  std::vector<unsigned> in(n);
  for (int i = 0; i < n; ++i) in[i] = mix(static_cast<unsigned>(i));
  const uint64_t di = device_.put(in), mutex = device_.put(std::vector<int>{0}),
                 counter = device_.put(std::vector<int>{0});
  std::vector<uint64_t> outs;
  for (int k = 0; k < 4; ++k) outs.push_back(device_.allocate(n * 4));
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&, k] {
      for (int round = 0; round < 5; ++round) {
        ok("flow_calls", grid({8}, {128}), di, outs[k], n);
        ok("lock", grid({1}, {64}), mutex, counter);  // one lock for all: atomics must be real
        Result r =
            device_.launch(*module_, "flow_calls", grid({1}, {32}), uint64_t{64}, outs[k], n);
        ASSERT_EQ(r.outcome, Outcome::IllegalAddress);
        ASSERT_EQ(r.address, 64u);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(device_.get<int>(counter, 1)[0], 4 * 5 * 64);
  for (uint64_t out : outs) {
    auto got = device_.get<unsigned>(out, n);
    for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], calls(in[i]));
  }
}

}  // namespace
}  // namespace sim::ptx::test
