// SPDX-License-Identifier: Apache-2.0
// Kernels as nvcc compiles them, against values computed on the host.
#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/sim/tests/ptx_device.h"

namespace sim::ptx::test {
namespace {

class Basic : public testing::Test {
 protected:
  void SetUp() override { module_ = device_.load_file("basic.ptx"); }
  template <class... A>
  Counts ok(const char* name, const Launch& launch, const A&... a) {
    Result r = device_.launch(*module_, name, launch, a...);
    EXPECT_EQ(r.outcome, Outcome::Ok) << r.message;
    return r.counts;
  }
  Device device_;
  std::unique_ptr<Module> module_;
};

std::vector<float> floats(size_t n, float scale) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = (static_cast<float>(i * 37 % 101) - 50) * scale;
  return v;
}

TEST_F(Basic, Saxpy) {
  const int n = 1000;  // not a multiple of the block: the last warp has idle lanes
  auto x = floats(n, 0.1f), y = floats(n, 0.3f);
  const uint64_t dx = device_.put(x), dy = device_.put(y);
  const Counts counts = ok("saxpy", grid({8}, {128}), 1.7f, dx, dy, n);
  auto got = device_.get<float>(dy, n);
  for (int i = 0; i < n; ++i) ASSERT_EQ(got[i], std::fma(1.7f, x[i], y[i])) << i;
  EXPECT_EQ(counts.bytes_loaded, 8u * n);
  EXPECT_EQ(counts.bytes_stored, 4u * n);
  EXPECT_GT(counts.instructions, 10u * n);
  EXPECT_LT(counts.instructions, 40u * 1024);
}

TEST_F(Basic, Matmul) {
  const int n = 64;
  auto a = floats(n * n, 0.01f), b = floats(n * n, 0.02f);
  std::reverse(b.begin(), b.end());
  const uint64_t da = device_.put(a), db = device_.put(b), dc = device_.allocate(n * n * 4);
  for (bool small : {false, true}) {
    const unsigned side = small ? 16 : 32;
    ok(small ? "matmul16" : "matmul", grid({n / side, n / side}, {side, side}), da, db, dc, n);
    auto c = device_.get<float>(dc, n * n);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int k = 0; k < n; ++k) sum = std::fma(a[i * n + k], b[k * n + j], sum);
        ASSERT_EQ(c[i * n + j], sum) << i << "," << j;
      }
    }
  }
}

TEST_F(Basic, Reduce) {
  const int n = 12345;
  std::vector<unsigned> x(n);
  for (int i = 0; i < n; ++i) x[i] = 0x10000000u + i * 977u;
  const uint64_t dx = device_.put(x), out = device_.put(std::vector<uint64_t>{0});
  ok("reduce", grid({5}, {192}), dx, out, n);
  EXPECT_EQ(device_.get<uint64_t>(out, 1)[0], std::accumulate(x.begin(), x.end(), uint64_t{0}));
}

TEST_F(Basic, HistogramInDynamicSharedMemory) {
  const int n = 5000;
  std::vector<unsigned char> x(n);
  std::vector<unsigned> want(256);
  for (int i = 0; i < n; ++i) ++want[x[i] = static_cast<unsigned char>(i * i / 7)];
  const uint64_t dx = device_.put(x), out = device_.put(std::vector<unsigned>(256));
  ok("histogram", grid({3}, {96}, 1024), dx, out, n);
  EXPECT_EQ(device_.get<unsigned>(out, 256), want);
  EXPECT_EQ(info(*module_->kernel("histogram")).static_shared_bytes, 0u);
  Result r = device_.launch(*module_, "histogram", grid({1}, {96}, 1020), dx, out, n);
  EXPECT_EQ(r.outcome, Outcome::IllegalAddress) << "the last bin is outside";
}

TEST_F(Basic, VectorLoads) {
  const int n = 70;
  auto x = floats(n * 4, 0.5f);
  std::vector<short> s(n * 2);
  for (int i = 0; i < 2 * n; ++i) s[i] = static_cast<short>(i * 31 - 900);
  const uint64_t dx = device_.put(x), ds = device_.put(s), dy = device_.allocate(n * 16);
  ok("vectors", grid({1}, {128}), dx, ds, dy, n);
  auto y = device_.get<float>(dy, n * 4);
  for (int i = 0; i < n; ++i) {
    EXPECT_EQ(y[4 * i], x[4 * i + 3]);
    EXPECT_EQ(y[4 * i + 1], x[4 * i + 2] + s[2 * i]);
    EXPECT_EQ(y[4 * i + 2], x[4 * i + 1] - s[2 * i + 1]);
    EXPECT_EQ(y[4 * i + 3], x[4 * i]);
  }
}

// Halves by arithmetic, not by bits: independent of the code under test.
double half_value(uint16_t h) {
  const int e = h >> 10 & 31, m = h & 1023;
  const double v = e == 31 ? (m ? NAN : INFINITY)
                   : e     ? std::ldexp(1024 + m, e - 25)
                           : std::ldexp(m, -24);
  return h & 0x8000 ? -v : v;
}
uint16_t nearest_half(double v) {  // by search over all finite halves of that sign
  uint16_t best = 0;
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    const double now = std::abs(half_value(static_cast<uint16_t>(h)) - std::abs(v));
    const double before = std::abs(half_value(best) - std::abs(v));
    if (now < before || (now == before && !(h & 1))) best = static_cast<uint16_t>(h);
  }
  return best | (std::signbit(v) ? 0x8000 : 0);
}

TEST_F(Basic, HalfArithmetic) {
  std::vector<uint16_t> x = {0x0001, 0x3c00, 0x3555, 0xb266, 0x0400,
                             0x03ff, 0x8001, 0x5640, 0x2e66, 0xbc01};
  const int n = static_cast<int>(x.size());
  std::vector<uint16_t> y;
  for (uint16_t v : x) y.insert(y.end(), {v, static_cast<uint16_t>(v ^ 0x8111)});
  const uint64_t dx = device_.put(x), dy = device_.put(y), out = device_.allocate(n * 2),
                 out2 = device_.allocate(n * 4);
  ok("halves", grid({1}, {32}), dx, dy, out, out2, n);
  auto a = device_.get<uint16_t>(out, n), b = device_.get<uint16_t>(out2, 2 * n);
  for (int i = 0; i < n; ++i) {
    const double v = half_value(x[i]);
    EXPECT_EQ(a[i], nearest_half(v * v + 0.5)) << i;
    for (int k = 0; k < 2; ++k) {
      const double sum = half_value(nearest_half(2 * half_value(y[2 * i + k])));
      EXPECT_EQ(b[2 * i + k], nearest_half(sum * (k ? -3.0 : 0.25))) << i;
    }
  }
}

TEST_F(Basic, Bf16RoundsToNearestEven) {
  std::vector<float> x = {1.0f,   1.00390625f, 1.01171875f, -3.3895e38f,
                          1e-40f, 0.1f,        -0.0f,       INFINITY};
  const int n = static_cast<int>(x.size());
  const uint64_t dx = device_.put(x), out = device_.allocate(n * 2), back = device_.allocate(n * 4);
  ok("bf16", grid({1}, {32}), dx, out, back, n);
  auto got = device_.get<uint16_t>(out, n);
  for (int i = 0; i < n; ++i) {
    uint32_t u = std::bit_cast<uint32_t>(x[i]);
    u += 0x7fff + (u >> 16 & 1);
    EXPECT_EQ(got[i], u >> 16) << x[i];
  }
}

template <class F>
auto rounding(int mode, F f) {
  volatile int keep = std::fegetround();
  std::fesetround(mode);
  volatile auto r = f();
  std::fesetround(keep);
  return r;
}

TEST_F(Basic, ExactMath) {
  std::vector<float> x = {1.0f, 3.0f,      -7.25f,   1e-30f, 1e30f,
                          0.1f, 123456.7f, -0.3333f, 1e-42f, 2.5f};
  const int n = static_cast<int>(x.size());
  std::vector<double> d(n);
  for (int i = 0; i < n; ++i) d[i] = x[i] * 1.1 + 1e-5;
  const uint64_t dx = device_.put(x), dd = device_.put(d), f = device_.allocate(n * 32),
                 g = device_.allocate(n * 32);
  ok("exact_math", grid({1}, {32}), dx, dd, f, g, n);
  auto fs = device_.get<float>(f, n * 8);
  auto gs = device_.get<double>(g, n * 4);
  for (int i = 0; i < n; ++i) {
    volatile float a = x[i], b = x[(i + 1) % n];
    volatile double e = d[i];
    EXPECT_EQ(fs[8 * i], a / b);
    EXPECT_EQ(fs[8 * i + 1], std::sqrt(std::fabs(a)));
    EXPECT_EQ(fs[8 * i + 2], std::fma(float(a), float(b), 1.0f));
    EXPECT_EQ(fs[8 * i + 3], rounding(FE_TOWARDZERO, [&] { return a + b; })) << i;
    EXPECT_EQ(fs[8 * i + 4], rounding(FE_UPWARD, [&] { return a * b; })) << i;
    EXPECT_EQ(fs[8 * i + 5], std::fma(std::floor(b), 1024.0f, std::rint(a)));
    EXPECT_EQ(fs[8 * i + 6], std::fmin(a, b));
    EXPECT_EQ(fs[8 * i + 7], rounding(FE_DOWNWARD, [&] { return static_cast<float>(e); })) << i;
    EXPECT_EQ(gs[4 * i], e / double(1 + a));
    EXPECT_EQ(gs[4 * i + 1], std::sqrt(std::fabs(e)));
    EXPECT_EQ(gs[4 * i + 2], std::fma(double(e), double(e), double(a)));
    EXPECT_EQ(gs[4 * i + 3], rounding(FE_DOWNWARD, [&] { return e + 1e-9; }));
  }
}

TEST_F(Basic, FunctionsAreClose) {
  auto x = floats(100, 0.07f);
  const int n = 100;
  const uint64_t dx = device_.put(x), dy = device_.allocate(n * 24);
  ok("functions", grid({1}, {128}), dx, dy, n);
  auto y = device_.get<float>(dy, n * 6);
  for (int i = 0; i < n; ++i) {
    const double v = x[i];
    const double want[] = {
        std::exp(v),  std::log(double(std::fabs(x[i]) + 1)), std::sin(double(x[i] * 100)),
        std::tanh(v), std::pow(std::fabs(v), double(1.7f)),  std::fmod(v, double(0.3f))};
    for (int k = 0; k < 6; ++k)
      EXPECT_NEAR(y[6 * i + k], want[k], 4e-7 * std::max(1.0, std::fabs(want[k])))
          << x[i] << " " << k;
  }
}

TEST_F(Basic, ParametersAbove4KB) {
  struct Big {
    int values[1500];
    double tail;
  } big;
  for (int i = 0; i < 1500; ++i) big.values[i] = i * 3;
  big.tail = 0.125;
  const KernelInfo& k = info(*module_->kernel("big_parameter"));
  ASSERT_EQ(k.params.size(), 2u);
  EXPECT_EQ(k.params[0].size, sizeof big);
  EXPECT_EQ(k.params[1].offset, sizeof big);
  EXPECT_EQ(k.param_bytes, sizeof big + 8);
  const uint64_t out = device_.allocate(150 * 8);
  ok("big_parameter", grid({1}, {150}), big, out);
  auto got = device_.get<double>(out, 150);
  for (int i = 0; i < 150; ++i) ASSERT_EQ(got[i], i * 30 + 0.125);
}

TEST_F(Basic, ModuleVariables) {
  const Variable* counter = module_->variable("counter");
  ASSERT_NE(counter, nullptr);
  EXPECT_EQ(counter->size, 4u);
  EXPECT_EQ(module_->variable("nothing"), nullptr);
  EXPECT_EQ(module_->kernel("nothing"), nullptr);
  const uint64_t out = device_.allocate(32 * 4);
  const float weights[] = {1.5f, -2.0f, 0.25f, 8.0f};
  for (int round = 1; round <= 2; ++round) {
    ok("variables", grid({1}, {32}), out);
    auto got = device_.get<float>(out, 32);
    for (int i = 0; i < 32; ++i) EXPECT_EQ(got[i], weights[i % 4] + static_cast<float>(41 + round));
  }
  EXPECT_EQ(device_.get<int>(counter->address, 1)[0], 43);
}

TEST_F(Basic, Atomics) {
  const int n = 512;
  const uint64_t i = device_.put(std::vector<int>{0, 0, 0}),
                 u = device_.put(std::vector<unsigned>{0, 0, 0, 0, ~0u}),
                 f = device_.put(std::vector<float>{0}), d = device_.put(std::vector<double>{0}),
                 l = device_.put(std::vector<uint64_t>{0, 0});
  ok("atomics", grid({4}, {128}), i, u, f, d, l);
  int most = 0, least = 0;
  for (int t = 0; t < n; ++t) {
    most = std::max(most, t * 7919 % 1000);
    least = std::min(least, t * 7919 % 1000 - 2000);
  }
  EXPECT_EQ(device_.get<int>(i, 3), (std::vector<int>{most, least, -n * (n - 1) / 2}));
  EXPECT_EQ(device_.get<unsigned>(u, 5),
            (std::vector<unsigned>{n % 13, (13 - n % 13) % 13, 0, 0x1ffff, ~31u}));
  EXPECT_EQ(device_.get<float>(f, 1)[0], n * 0.5f);
  EXPECT_EQ(device_.get<double>(d, 1)[0], n * 0.25);
  EXPECT_EQ(device_.get<uint64_t>(l, 2),
            (std::vector<uint64_t>{uint64_t{n} << 33, uint64_t{n} * (n - 1) / 2}));
}

TEST(Modern, CopiesReductionsClusters) {
  Device device;
  auto module = device.load_file("modern.ptx");
  std::vector<int> in(1024);
  for (int i = 0; i < 1024; ++i) in[i] = i * 7 - 100;
  const uint64_t di = device.put(in), out = device.allocate(4096);
  Result r = device.launch(*module, "copies", grid({1}, {64}), di, out, 1024);
  ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  auto got = device.get<int>(out, 512);
  for (int at = 0; at < 1024; at += 512) {
    for (int t = 0; t < 64; ++t) {
      for (int k = 0; k < 4; ++k)
        ASSERT_EQ(got[at / 2 + t * 4 + k],
                  in[at + (63 - t) * 4 + k] + in[at + 256 + t * 4 + 3 - k]);
    }
  }
  r = device.launch(*module, "reductions", grid({1}, {32}), di, out);
  ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  int sum = 0, x = 0, a = -1, o = 0;
  for (int i = 0; i < 32; ++i) sum += in[i], x ^= in[i], a &= in[i], o |= in[i];
  EXPECT_EQ(device.get<int>(out, 6), (std::vector<int>{sum, -100, 117, x, a, o}));
  r = device.launch(*module, "cluster", grid({1}, {32}), out);
  ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  EXPECT_EQ(device.get<unsigned>(out, 1)[0], 10u);
}

TEST(Modern, Bf16Pairs) {
  Device device;
  auto module = device.load_file("modern.ptx");
  std::vector<float> values = {0.5f, -1.75f, 3.0f, 0.09375f, -0.0f, 100.0f, 1.0f, -0.3125f};
  std::vector<uint16_t> x;
  for (float v : values) x.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
  const uint64_t dx = device.put(x), out = device.allocate(64);
  Result r = device.launch(*module, "bf16_pairs", grid({1}, {4}), dx, out);
  ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  auto got = device.get<uint16_t>(out, 8);
  for (size_t i = 0; i < 8; ++i) {
    uint32_t u = std::bit_cast<uint32_t>(values[i] * values[i] + std::max(values[i], 0.25f));
    u += 0x7fff + (u >> 16 & 1);
    EXPECT_EQ(got[i], u >> 16) << values[i];
  }
}

}  // namespace
}  // namespace sim::ptx::test
