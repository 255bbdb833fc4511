// SPDX-License-Identifier: Apache-2.0
// Single instructions, with the edges that the PTX manual defines.
#include <bit>
#include <cmath>

#include "tests/sim/tests/ptx_device.h"

namespace sim::ptx::test {
namespace {

using u32 = uint32_t;
using u64 = uint64_t;

struct In {  // what each thread gets
  u32 a, b, c, d;
};
struct In64 {
  u64 a, b, c, d;
};

// `op` with 32-bit registers %r0 = a, %r1 = b, %r2 = c, %r3 = d into %r4.
std::vector<u32> on32(const std::string& op, const std::vector<In>& in) {
  return each<u32>(
      "ld.global.v4.u32 {%r0,%r1,%r2,%r3}, [%rdI];\n" + op + "\nst.global.u32 [%rdO], %r4;", in);
}
std::vector<u64> on64(const std::string& op, const std::vector<In64>& in) {
  return each<u64>(
      "ld.global.v2.u64 {%rd0,%rd1}, [%rdI]; ld.global.v2.u64 {%rd2,%rd3}, [%rdI+16];\n" + op +
          "\nst.global.u64 [%rdO], %rd4;",
      in);
}
u32 one(const std::string& op, u32 a = 0, u32 b = 0, u32 c = 0, u32 d = 0) {
  return on32(op, {{a, b, c, d}}).at(0);
}
u64 one64(const std::string& op, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0) {
  return on64(op, {{a, b, c, d}}).at(0);
}
u32 f(float x) {
  return std::bit_cast<u32>(x);
}
u64 d(double x) {
  return std::bit_cast<u64>(x);
}

struct Case {
  const char* op;
  u32 a, b, c, want;
};

TEST(Integer, Edges) {
  const Case cases[] = {
      {"div.u32 %r4,%r0,%r1;", 7, 0, 0, ~0u},
      {"rem.u32 %r4,%r0,%r1;", 7, 0, 0, 7},
      {"div.s32 %r4,%r0,%r1;", 0x80000000, ~0u, 0, 0x80000000},
      {"rem.s32 %r4,%r0,%r1;", 0x80000000, ~0u, 0, 0},
      {"div.s32 %r4,%r0,%r1;", static_cast<u32>(-7), 2, 0, static_cast<u32>(-3)},
      {"rem.s32 %r4,%r0,%r1;", static_cast<u32>(-7), 2, 0, static_cast<u32>(-1)},
      {"add.sat.s32 %r4,%r0,%r1;", 0x7fffffff, 5, 0, 0x7fffffff},
      {"sub.sat.s32 %r4,%r0,%r1;", 0x80000000, 5, 0, 0x80000000},
      {"mul.hi.u32 %r4,%r0,%r1;", ~0u, ~0u, 0, 0xfffffffe},
      {"mul.hi.s32 %r4,%r0,%r1;", ~0u, ~0u, 0, 0},
      {"mad.lo.s32 %r4,%r0,%r1,%r2;", 7, static_cast<u32>(-3), 30, 9},
      {"mad.hi.u32 %r4,%r0,%r1,%r2;", ~0u, 16, 3, 18},
      {"mad.hi.sat.s32 %r4,%r0,%r1,%r2;", 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff},
      {"mul24.lo.u32 %r4,%r0,%r1;", 0xff000003, 5, 0, 15},
      {"mul24.hi.s32 %r4,%r0,%r1;", 0x00800000, 0x00400000, 0, 0xe0000000},
      {"abs.s32 %r4,%r0;", 0x80000000, 0, 0, 0x80000000},
      {"neg.s32 %r4,%r0;", 5, 0, 0, static_cast<u32>(-5)},
      {"min.s32 %r4,%r0,%r1;", static_cast<u32>(-1), 1, 0, ~0u},
      {"min.u32 %r4,%r0,%r1;", static_cast<u32>(-1), 1, 0, 1},
      {"sad.s32 %r4,%r0,%r1,%r2;", static_cast<u32>(-3), 4, 10, 17},
      {"cnot.b32 %r4,%r0;", 0, 0, 0, 1},
      {"shl.b32 %r4,%r0,%r1;", 1, 32, 0, 0},
      {"shr.u32 %r4,%r0,%r1;", ~0u, 33, 0, 0},
      {"shr.s32 %r4,%r0,%r1;", 0x80000000, 100, 0, ~0u},
      {"shf.l.wrap.b32 %r4,%r0,%r1,%r2;", 0x80000000, 1, 33, 3},
      {"shf.l.clamp.b32 %r4,%r0,%r1,%r2;", 0x12345678, 1, 40, 0x12345678},
      {"shf.r.wrap.b32 %r4,%r0,%r1,%r2;", 2, 1, 1, 0x80000001},
      {"shf.r.clamp.b32 %r4,%r0,%r1,%r2;", 2, 0xabcd, 32, 0xabcd},
      {"popc.b32 %r4,%r0;", 0xf00f, 0, 0, 8},
      {"clz.b32 %r4,%r0;", 0, 0, 0, 32},
      {"clz.b32 %r4,%r0;", 0x00010000, 0, 0, 15},
      {"brev.b32 %r4,%r0;", 0x80000001, 0, 0, 0x80000001},
      {"brev.b32 %r4,%r0;", 6, 0, 0, 0x60000000},
      {"bfind.u32 %r4,%r0;", 0, 0, 0, ~0u},
      {"bfind.u32 %r4,%r0;", 0x100, 0, 0, 8},
      {"bfind.s32 %r4,%r0;", ~0u, 0, 0, ~0u},
      {"bfind.s32 %r4,%r0;", 0xfffffeff, 0, 0, 8},
      {"bfind.shiftamt.u32 %r4,%r0;", 0x100, 0, 0, 23},
      {"bfe.u32 %r4,%r0,%r1,%r2;", 0xabcd1234, 8, 8, 0x12},
      {"bfe.s32 %r4,%r0,%r1,%r2;", 0xabcd1234, 16, 16, 0xffffabcd},
      {"bfe.s32 %r4,%r0,%r1,%r2;", 0x80000000, 28, 16, 0xfffffff8},
      {"bfe.u32 %r4,%r0,%r1,%r2;", ~0u, 40, 4, 0},
      {"bfe.s32 %r4,%r0,%r1,%r2;", 0x80000000, 40, 4, ~0u},
      {"bfe.u32 %r4,%r0,%r1,%r2;", ~0u, 3, 0, 0},
      {"bfi.b32 %r4,%r0,%r1,8,12;", 0xfffabc, 0x11111111, 0, 0x111abc11},
      {"bfi.b32 %r4,%r0,%r1,40,12;", ~0u, 5, 0, 5},
      {"bfi.b32 %r4,%r0,%r1,28,20;", 0x12, 0, 0, 0x20000000},
      {"prmt.b32 %r4,%r0,%r1,%r2;", 0x44332211, 0x88776655, 0x7140, 0x88225511},
      {"prmt.b32 %r4,%r0,%r1,%r2;", 0x44332291, 0x88776655, 0x0f80, 0x91ffff91},
      {"prmt.b32.f4e %r4,%r0,%r1,%r2;", 0x44332211, 0x88776655, 2, 0x66554433},
      {"prmt.b32.b4e %r4,%r0,%r1,%r2;", 0x44332211, 0x88776655, 1, 0x77881122},
      {"prmt.b32.rc8 %r4,%r0,%r1,%r2;", 0x44332211, 0, 2, 0x33333333},
      {"prmt.b32.ecl %r4,%r0,%r1,%r2;", 0x44332211, 0, 2, 0x44333333},
      {"prmt.b32.ecr %r4,%r0,%r1,%r2;", 0x44332211, 0, 2, 0x33332211},
      {"prmt.b32.rc16 %r4,%r0,%r1,%r2;", 0x44332211, 0, 1, 0x44334433},
      {"dp4a.u32.u32 %r4,%r0,%r1,%r2;", 0xff010203, 0x02030405, 1, 510 + 3 + 8 + 15 + 1},
      {"dp4a.s32.u32 %r4,%r0,%r1,%r2;", 0xff010203, 0x02030405, 1,
       static_cast<u32>(-2 + 3 + 8 + 15 + 1)},
      {"dp2a.lo.s32.s32 %r4,%r0,%r1,%r2;", 0xffff0002, 0x00ff0305, 7,
       static_cast<u32>(-3 + 10 + 7)},
      {"dp2a.hi.u32.u32 %r4,%r0,%r1,%r2;", 0x00010002, 0x04050305, 7, 4 + 10 + 7},
      {"fns.b32 %r4,%r0,%r1,%r2;", 0xaaaaaaaa, 3, 1, 3},
      {"fns.b32 %r4,%r0,%r1,%r2;", 0xaaaaaaaa, 3, static_cast<u32>(-2), 1},
      {"fns.b32 %r4,%r0,%r1,%r2;", 0xaaaaaaaa, 2, 0, ~0u},
      {"bmsk.clamp.b32 %r4,%r0,%r1;", 28, 10, 0, 0xf0000000},
      {"bmsk.wrap.b32 %r4,%r0,%r1;", 33, 34, 0, 6},
      {"szext.clamp.s32 %r4,%r0,%r1;", 0x1f0, 5, 0, 0xfffffff0},
      {"szext.clamp.u32 %r4,%r0,%r1;", 0x1f7, 5, 0, 0x17},
      {"add.u16x2 %r4,%r0,%r1;", 0xffff0001, 0x00010002, 0, 0x00000003},
      {"max.s16x2 %r4,%r0,%r1;", 0xffff0001, 0x0000ffff, 0, 0x00000001},
      {"slct.u32.s32 %r4,%r0,%r1,%r2;", 1, 2, 0x80000000, 2},
      {"slct.u32.s32 %r4,%r0,%r1,%r2;", 1, 2, 0, 1},
      {"set.lt.u32.s32 %r4,%r0,%r1;", ~0u, 0, 0, ~0u},
      {"set.lt.f32.u32 %r4,%r0,%r1;", 0, 9, 0, f(1.0f)},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(one(c.op, c.a, c.b, c.c), c.want)
        << c.op << std::hex << " " << c.a << " " << c.b << " " << c.c;
  }
}

TEST(Integer, Lop3HasEveryTable) {
  for (unsigned table = 0; table < 256; ++table) {
    const u32 a = 0xf0f0f0f0, b = 0xcccccccc, c = 0xaaaaaaaa;  // all eight combinations, four times
    EXPECT_EQ(one("lop3.b32 %r4,%r0,%r1,%r2," + std::to_string(table) + ";", a, b, c),
              table * 0x01010101u);
  }
}

TEST(Integer, Sixteen) {
  auto h = [](const std::string& op, u32 a, u32 b) {
    return one("cvt.u16.u32 %h0,%r0; cvt.u16.u32 %h1,%r1;" + op + "cvt.u32.u16 %r4,%h2;", a, b);
  };
  EXPECT_EQ(h("add.s16 %h2,%h0,%h1;", 0xffff, 2), 1u);
  EXPECT_EQ(h("mul.lo.u16 %h2,%h0,%h1;", 0xffff, 0xffff), 1u);
  EXPECT_EQ(h("mul.hi.u16 %h2,%h0,%h1;", 0xffff, 0xffff), 0xfffeu);
  EXPECT_EQ(h("mul.hi.s16 %h2,%h0,%h1;", 0x8000, 0x8000), 0x4000u);
  EXPECT_EQ(h("div.s16 %h2,%h0,%h1;", 0x8000, 0xffff), 0x8000u);
  EXPECT_EQ(h("shr.s16 %h2,%h0,3;", 0x8000, 0), 0xf000u);
  EXPECT_EQ(h("min.s16 %h2,%h0,%h1;", 0x8000, 1), 0x8000u);
  EXPECT_EQ(one("cvt.u16.u32 %h0,%r0; mul.wide.s16 %r4,%h0,%h0;", 0xffff), 1u);
  EXPECT_EQ(one("cvt.u16.u32 %h0,%r0; mad.wide.u16 %r4,%h0,%h0,%r1;", 0xffff, 2), 0xfffe0003u);
}

TEST(Integer, SixtyFour) {
  EXPECT_EQ(one64("mul.hi.u64 %rd4,%rd0,%rd1;", ~0ull, ~0ull), ~0ull - 1);
  EXPECT_EQ(one64("mul.hi.s64 %rd4,%rd0,%rd1;", u64(-3), 1ull << 63), 1ull);
  EXPECT_EQ(one64("div.s64 %rd4,%rd0,%rd1;", 1ull << 63, ~0ull), 1ull << 63);
  EXPECT_EQ(one64("rem.u64 %rd4,%rd0,%rd1;", 77, 0), 77ull);
  EXPECT_EQ(one64("shl.b64 %rd4,%rd0,64;", 1), 0ull);
  EXPECT_EQ(one64("shr.s64 %rd4,%rd0,99;", 1ull << 63), ~0ull);
  EXPECT_EQ(one64("brev.b64 %rd4,%rd0;", 3), 3ull << 62);
  EXPECT_EQ(one64("popc.b64 %r0,%rd0; cvt.u64.u32 %rd4,%r0;", ~0ull), 64ull);
  EXPECT_EQ(one64("clz.b64 %r0,%rd0; cvt.u64.u32 %rd4,%r0;", 1), 63ull);
  EXPECT_EQ(one64("bfe.s64 %rd4,%rd0,60,8;", 0x8ull << 60), u64(-8));
  EXPECT_EQ(one64("bfi.b64 %rd4,%rd0,%rd1,32,32;", 0x12345678, 0x9abcdef0), 0x123456789abcdef0ull);
  EXPECT_EQ(one64("bfe.u64 %rd4,%rd0,0,64;", 0xfedcba9876543210ull), 0xfedcba9876543210ull);
  EXPECT_EQ(one64("mad.wide.s32 %rd4,-3,5,%rd0;", 20), 5ull);
  EXPECT_EQ(one64("mul.wide.u32 %rd4,0xffffffff,0xffffffff;"), 0xfffffffe00000001ull);
}

TEST(Integer, CarryChains) {
  // 128-bit sum and difference from 64-bit halves, and a 64-bit product from 32-bit pieces.
  EXPECT_EQ(one64("add.cc.u64 %rd5,%rd0,%rd1; addc.u64 %rd4,%rd2,%rd3;", ~0ull, 1, 5, 7), 13ull);
  EXPECT_EQ(one64("add.cc.u64 %rd5,%rd0,%rd1; addc.u64 %rd4,%rd2,%rd3;", ~0ull, 0, 5, 7), 12ull);
  EXPECT_EQ(one64("sub.cc.u64 %rd5,%rd0,%rd1; subc.u64 %rd4,%rd2,%rd3;", 0, 1, 5, 7), u64(-3));
  EXPECT_EQ(
      one("sub.cc.u32 %r5,%r0,%r1; subc.cc.u32 %r6,%r2,%r2; subc.u32 %r4,%r3,0;", 0, 1, 9, 50),
      49u);
  EXPECT_EQ(one("add.cc.u32 %r5,%r0,%r0; addc.cc.u32 %r6,%r1,%r1; addc.u32 %r4,0,0;", 0x80000000,
                0x7fffffff),
            0u);
  EXPECT_EQ(one("mad.lo.cc.u32 %r5,%r0,%r1,%r2; madc.hi.u32 %r4,%r0,%r1,0;", ~0u, ~0u, ~0u), ~0u);
  EXPECT_EQ(one("mad.lo.cc.u32 %r5,%r0,%r1,%r2; madc.hi.u32 %r4,%r0,%r1,0;", 3, 5, 1), 0u);
}

TEST(Predicates, CombineAndPair) {
  // p = (a < b) && q, and its complement side by side
  const char* op =
      "setp.ne.u32 %p0,%r2,0; setp.lt.and.s32 %p1|%p2,%r0,%r1,%p0;"
      "selp.u32 %r5,1,0,%p1; selp.u32 %r6,2,0,%p2; or.b32 %r4,%r5,%r6;";
  EXPECT_EQ(one(op, 1, 2, 1), 1u);
  EXPECT_EQ(one(op, 3, 2, 1), 2u);
  EXPECT_EQ(one(op, 1, 2, 0), 0u);
  EXPECT_EQ(
      one("setp.eq.u32 %p0,%r0,1; setp.gt.xor.u32 %p1,%r1,5,!%p0; selp.u32 %r4,1,0,%p1;", 1, 9),
      1u);
  EXPECT_EQ(
      one("setp.eq.u32 %p0,%r0,1; not.pred %p1,%p0; and.pred %p2,%p1,%p0; or.pred %p3,%p1,%p0;"
          "xor.pred %p4,%p2,%p3; selp.u32 %r4,7,8,%p4;",
          3),
      7u);
  EXPECT_EQ(one("lop3.and.b32 %r5|%p0,%r0,%r1,0,0xC0,1; selp.u32 %r4,1,0,%p0;", 6, 3), 1u);
  EXPECT_EQ(one("mov.u32 %r4,0; setp.hi.u32 %p0,%r0,%r1; @!%p0 add.u32 %r4,%r4,2; @%p0 add.u32 "
                "%r4,%r4,1;",
                9, 3),
            1u);
}

TEST(Real, ComparisonsOfNan) {
  const u32 nan = 0x7fc12345;
  struct {
    const char* test;
    u32 less, equal, unordered;
  } cases[] = {{"eq", 0, 1, 0},  {"ne", 1, 0, 0},  {"lt", 1, 0, 0},  {"le", 1, 1, 0},
               {"gt", 0, 0, 0},  {"ge", 0, 1, 0},  {"equ", 0, 1, 1}, {"neu", 1, 0, 1},
               {"ltu", 1, 0, 1}, {"leu", 1, 1, 1}, {"gtu", 0, 0, 1}, {"geu", 0, 1, 1},
               {"num", 1, 1, 0}, {"nan", 0, 0, 1}};
  for (const auto& c : cases) {
    auto got = on32(std::string("mov.b32 %f0,%r0; mov.b32 %f1,%r1; setp.") + c.test +
                        ".f32 %p0,%f0,%f1; selp.u32 %r4,1,0,%p0;",
                    {{f(1), f(2), 0, 0}, {f(2), f(2), 0, 0}, {f(2), nan, 0, 0}, {nan, nan, 0, 0}});
    EXPECT_EQ(got, (std::vector<u32>{c.less, c.equal, c.unordered, c.unordered})) << c.test;
  }
}

u32 real(const std::string& op, u32 a, u32 b = 0, u32 c = 0) {
  return one("mov.b32 %f0,%r0; mov.b32 %f1,%r1; mov.b32 %f2,%r2;" + op + "mov.b32 %r4,%f4;", a, b,
             c);
}

TEST(Real, SinglePrecisionEdges) {
  const u32 nan = 0x7fffffff, inf = 0x7f800000, tiny = 1, minus_tiny = 0x80000001;
  EXPECT_EQ(real("add.f32 %f4,%f0,%f1;", inf, 0xff800000), nan) << "one canonical NaN";
  EXPECT_EQ(real("mul.f32 %f4,%f0,%f1;", 0x7fc00001, f(1)), nan);
  EXPECT_EQ(real("add.f32 %f4,%f0,%f1;", tiny, tiny), 2u);
  EXPECT_EQ(real("add.ftz.f32 %f4,%f0,%f1;", tiny, tiny), 0u);
  EXPECT_EQ(real("mul.ftz.f32 %f4,%f0,%f1;", f(-1), tiny), 0x80000000);
  EXPECT_EQ(real("mul.ftz.f32 %f4,%f0,%f1;", f(1e-30f), f(1e-10f)), 0u)
      << "the result is flushed too";
  EXPECT_EQ(real("add.sat.f32 %f4,%f0,%f1;", f(0.75f), f(0.5f)), f(1));
  EXPECT_EQ(real("add.sat.f32 %f4,%f0,%f1;", f(-3), f(0.5f)), 0u);
  EXPECT_EQ(real("add.sat.f32 %f4,%f0,%f1;", nan, 0), 0u);
  EXPECT_EQ(real("min.f32 %f4,%f0,%f1;", nan, f(5)), f(5));
  EXPECT_EQ(real("min.NaN.f32 %f4,%f0,%f1;", nan, f(5)), nan);
  EXPECT_EQ(real("min.f32 %f4,%f0,%f1;", 0, 0x80000000), 0x80000000);
  EXPECT_EQ(real("max.f32 %f4,%f0,%f1;", 0x80000000, 0), 0u);
  EXPECT_EQ(real("max.xorsign.abs.f32 %f4,%f0,%f1;", f(-3), f(2)), f(-3));
  EXPECT_EQ(real("neg.ftz.f32 %f4,%f0;", tiny), 0x80000000);
  EXPECT_EQ(real("abs.f32 %f4,%f0;", minus_tiny), tiny);
  EXPECT_EQ(real("copysign.f32 %f4,%f0,%f1;", f(-1), f(3)), f(-3)) << "sign of a, magnitude of b";
  EXPECT_EQ(real("rcp.rn.f32 %f4,%f0;", f(3)), f(1 / 3.0f));
  EXPECT_EQ(real("rcp.rn.f32 %f4,%f0;", 0x80000000), 0xff800000);
  EXPECT_EQ(real("sqrt.rn.f32 %f4,%f0;", f(-1)), nan);
  EXPECT_EQ(real("rsqrt.approx.f32 %f4,%f0;", f(4)), f(0.5f));
  EXPECT_EQ(real("ex2.approx.f32 %f4,%f0;", f(-3)), f(0.125f));
  EXPECT_EQ(real("lg2.approx.f32 %f4,%f0;", f(8)), f(3));
  EXPECT_EQ(real("lg2.approx.f32 %f4,%f0;", 0), 0xff800000);
  EXPECT_EQ(real("fma.rn.f32 %f4,%f0,%f1,%f2;", f(1 + 0x1p-12f), f(1 - 0x1p-12f), f(-1)),
            f(-0x1p-24f))
      << "fused";
  EXPECT_EQ(real("fma.rz.f32 %f4,%f0,%f1,%f2;", f(1), f(1), f(-0x1p-30f)),
            f(std::nextafter(1.0f, 0.0f)));
  EXPECT_EQ(real("add.rp.f32 %f4,%f0,%f1;", f(1), f(0x1p-30f)), f(std::nextafter(1.0f, 2.0f)));
  EXPECT_EQ(real("add.rm.f32 %f4,%f0,%f1;", f(1), f(-0x1p-30f)), f(std::nextafter(1.0f, 0.0f)));
  EXPECT_EQ(real("div.rz.f32 %f4,%f0,%f1;", f(2), f(3)), f(std::nextafter(2.0f / 3.0f, 0.0f)));
  EXPECT_EQ(real("div.full.f32 %f4,%f0,%f1;", f(1), f(4)), f(0.25f));
  EXPECT_EQ(one("mov.b32 %f0,%r0; testp.subnormal.f32 %p0,%f0; testp.notanumber.f32 %p1,%f0;"
                "selp.u32 %r5,1,0,%p0; selp.u32 %r6,2,0,%p1; or.b32 %r4,%r5,%r6;",
                tiny),
            1u);
}

TEST(Real, DoublePrecisionEdges) {
  auto real64 = [](const std::string& op, u64 a, u64 b = 0, u64 c = 0) {
    return one64("mov.b64 %d0,%rd0; mov.b64 %d1,%rd1; mov.b64 %d2,%rd2;" + op + "mov.b64 %rd4,%d4;",
                 a, b, c);
  };
  EXPECT_EQ(real64("fma.rn.f64 %d4,%d0,%d1,%d2;", d(1 + 0x1p-30), d(1 - 0x1p-30), d(-1)),
            d(-0x1p-60));
  EXPECT_EQ(real64("add.rz.f64 %d4,%d0,%d1;", d(1), d(-0x1p-80)), d(std::nextafter(1.0, 0.0)));
  EXPECT_EQ(real64("sqrt.rp.f64 %d4,%d0;", d(2)), d(std::sqrt(2.0)))
      << "rounded to nearest it lies above already";
  EXPECT_EQ(real64("min.f64 %d4,%d0,%d1;", d(NAN), d(5)), d(5));
  EXPECT_EQ(real64("div.rn.f64 %d4,%d0,%d1;", d(1), d(-0.0)), d(-INFINITY));
  EXPECT_EQ(real64("rcp.approx.ftz.f64 %d4,%d0;", d(4)), d(0.25));
}

TEST(Convert, FloatToInteger) {
  struct {
    const char* op;
    float from;
    u32 want;
  } cases[] = {{"cvt.rni.s32.f32", 2.5f, 2},
               {"cvt.rni.s32.f32", 3.5f, 4},
               {"cvt.rzi.s32.f32", -2.9f, u32(-2)},
               {"cvt.rmi.s32.f32", -2.1f, u32(-3)},
               {"cvt.rpi.s32.f32", 2.1f, 3},
               {"cvt.rzi.s32.f32", 3e10f, 0x7fffffff},
               {"cvt.rzi.s32.f32", -3e10f, 0x80000000},
               {"cvt.rzi.u32.f32", -5.0f, 0},
               {"cvt.rzi.u32.f32", 5e9f, ~0u},
               {"cvt.rzi.s32.f32", NAN, 0},
               {"cvt.rzi.u32.f32", 4294967040.0f, 4294967040u}};
  for (const auto& c : cases)
    EXPECT_EQ(one(std::string("mov.b32 %f0,%r0;") + c.op + " %r4,%f0;", f(c.from)), c.want)
        << c.op << c.from;
  EXPECT_EQ(one64("mov.b64 %d0,%rd0; cvt.rzi.s64.f64 %rd4,%d0;", d(-1e300)), 1ull << 63);
  EXPECT_EQ(one64("mov.b64 %d0,%rd0; cvt.rzi.u64.f64 %rd4,%d0;", d(1e300)), ~0ull);
  EXPECT_EQ(one64("mov.b64 %d0,%rd0; cvt.rni.s64.f64 %rd4,%d0;", d(-0.5)), 0ull);
}

TEST(Convert, IntegerWidthsAndSaturation) {
  EXPECT_EQ(one("cvt.s32.s8 %r4,%r0;", 0x180), 0xffffff80);
  EXPECT_EQ(one("cvt.u32.u8 %r4,%r0;", 0x1ff), 0xffu);
  EXPECT_EQ(one("cvt.s8.s32 %r4,%r0;", 0x180), 0xffffff80) << "the wide register is sign-extended";
  EXPECT_EQ(one("cvt.sat.s8.s32 %r4,%r0;", 1000), 127u);
  EXPECT_EQ(one("cvt.sat.u8.s32 %r4,%r0;", u32(-4)), 0u);
  EXPECT_EQ(one("cvt.u16.u32 %h0,%r0; cvt.s32.s16 %r4,%h0;", 0x18000), 0xffff8000);
  EXPECT_EQ(one64("cvt.u32.u64 %r0,%rd0; cvt.s64.s32 %rd4,%r0;", 0x180000000ull),
            0xffffffff80000000ull);
  EXPECT_EQ(one64("cvt.sat.u32.u64 %r0,%rd0; cvt.u64.u32 %rd4,%r0;", 1ull << 40), 0xffffffffull);
}

TEST(Convert, ToFloat) {
  EXPECT_EQ(one("cvt.rn.f32.u32 %f0,%r0; mov.b32 %r4,%f0;", 0xffffffff), f(4294967296.0f));
  EXPECT_EQ(one("cvt.rz.f32.u32 %f0,%r0; mov.b32 %r4,%f0;", 0xffffffff), f(4294967040.0f));
  EXPECT_EQ(one("cvt.rp.f32.s32 %f0,%r0; mov.b32 %r4,%f0;", 0x01000001), f(16777218.0f));
  EXPECT_EQ(one("cvt.rm.f32.s32 %f0,%r0; mov.b32 %r4,%f0;", 0x01000001), f(16777216.0f));
  EXPECT_EQ(one64("cvt.rz.f64.u64 %d0,%rd0; mov.b64 %rd4,%d0;", ~0ull),
            d(std::nextafter(0x1p64, 0.0)));
  EXPECT_EQ(
      one64("mov.b64 %d0,%rd0; cvt.rp.f32.f64 %f0,%d0; cvt.f64.f32 %d1,%f0; mov.b64 %rd4,%d1;",
            d(1e-300)),
      d(0x1p-149));
  EXPECT_EQ(one("mov.b32 %f0,%r0; cvt.rmi.f32.f32 %f1,%f0; mov.b32 %r4,%f1;", f(-2.5f)), f(-3));
  EXPECT_EQ(one("mov.b32 %f0,%r0; cvt.sat.f32.f32 %f1,%f0; mov.b32 %r4,%f1;", f(2.5f)), f(1));
}

TEST(Convert, SmallFormats) {
  auto half = [](float x) {
    return one("mov.b32 %f0,%r0; cvt.rn.f16.f32 %h0,%f0; cvt.u32.u16 %r4,%h0;", f(x));
  };
  EXPECT_EQ(half(1), 0x3c00u);
  EXPECT_EQ(half(65504), 0x7bffu);
  EXPECT_EQ(half(65519.996f), 0x7bffu);
  EXPECT_EQ(half(65520), 0x7c00u);
  EXPECT_EQ(half(-0.0f), 0x8000u);
  EXPECT_EQ(half(0x1p-24f), 1u);
  EXPECT_EQ(half(0x1p-25f), 0u) << "half way to the least number: even";
  EXPECT_EQ(half(0x1.8p-25f), 1u);
  EXPECT_EQ(half(0x1.ffcp-15f), 0x0400u) << "rounds up into the normal numbers";
  EXPECT_EQ(half(NAN), 0x7fffu);
  EXPECT_EQ(one("mov.b32 %f0,%r0; cvt.rz.f16.f32 %h0,%f0; cvt.u32.u16 %r4,%h0;", f(1e9f)), 0x7bffu);
  EXPECT_EQ(one("mov.b32 %f0,%r0; cvt.rn.bf16.f32 %h0,%f0; cvt.u32.u16 %r4,%h0;", 0x3f808000),
            0x3f80u);
  EXPECT_EQ(one("mov.b32 %f0,%r0; mov.b32 %f1,%r1; cvt.rn.f16x2.f32 %r4,%f0,%f1;", f(2), f(-1)),
            0x4000bc00u);
  EXPECT_EQ(one("mov.b32 %f0,%r0; mov.b32 %f1,%r1; cvt.rn.bf16x2.f32 %r4,%f0,%f1;", f(2), f(-1)),
            0x4000bf80u);
  EXPECT_EQ(one("mov.b32 %f0,%r0; cvt.rna.tf32.f32 %r4,%f0;", 0x3f801000), 0x3f802000u);
  EXPECT_EQ(one("mov.b32 %f0,%r0; mov.b32 %f1,%r1; cvt.rn.satfinite.e4m3x2.f32 %h0,%f0,%f1; "
                "cvt.u32.u16 %r4,%h0;",
                f(1000), f(-0.5f)),
            0x7eb0u);
  EXPECT_EQ(one("mov.b32 %f0,%r0; mov.b32 %f1,%r1; cvt.rn.satfinite.e5m2x2.f32 %h0,%f0,%f1; "
                "cvt.u32.u16 %r4,%h0;",
                f(1), f(1e9f)),
            0x3c7bu);
  EXPECT_EQ(one("cvt.u16.u32 %h0,%r0; cvt.rn.f16x2.e4m3x2 %r4,%h0;", 0x7eb0), 0x5f00b800u);
}

TEST(Convert, EveryHalfSurvives) {
  std::vector<In> in;
  for (u32 h = 0; h < 0x10000; ++h) in.push_back({h, 0, 0, 0});
  auto got = on32(
      "cvt.u16.u32 %h0,%r0; cvt.f32.f16 %f0,%h0; cvt.rn.f16.f32 %h1,%f0; cvt.u32.u16 %r4,%h1;", in);
  for (u32 h = 0; h < 0x10000; ++h)
    ASSERT_EQ(got[h], (h & 0x7fff) > 0x7c00 ? 0x7fffu : h) << std::hex << h;
}

TEST(Half, FusedMultiplyAddRoundsOnce) {
  // 1.0009765625^2 + 2^-24: the product needs 21 bits, and only the addend decides the last one.
  EXPECT_EQ(one("cvt.u16.u32 %h0,%r0; cvt.u16.u32 %h1,%r1; fma.rn.f16 %h2,%h0,%h0,%h1; cvt.u32.u16 "
                "%r4,%h2;",
                0x3c01, 0x0001),
            0x3c02u);
  EXPECT_EQ(one("fma.rn.f16x2 %r4,%r0,%r1,%r2;", 0x40003c00, 0x42004200, 0x3c00bc00), 0x47004000u);
  EXPECT_EQ(one("fma.rn.relu.f16x2 %r4,%r0,%r1,%r2;", 0xc0003c00, 0x42004200, 0x3c00bc00),
            0x00004000u);
  EXPECT_EQ(one("fma.rn.bf16x2 %r4,%r0,%r1,%r2;", 0x40003f80, 0x40403f80, 0x3f803f80), 0x40e04000u);
  EXPECT_EQ(one("max.f16x2 %r4,%r0,%r1;", 0x7e003c00, 0x40004000), 0x40004000u);
  EXPECT_EQ(one("max.NaN.f16x2 %r4,%r0,%r1;", 0x7e003c00, 0x40004000), 0x7fff4000u);
  EXPECT_EQ(one("set.gt.f16x2.f16x2 %r4,%r0,%r1;", 0x40003c00, 0x3c004000), 0x3c000000u);
}

TEST(Move, PacksAndUnpacks) {
  EXPECT_EQ(one("mov.b32 {%h0,%h1},%r0; mov.b32 %r4,{%h1,%h0};", 0x12345678), 0x56781234u);
  EXPECT_EQ(one64("mov.b64 {%r0,%r1},%rd0; mov.b64 %rd4,{%r1,%r0};", 0x0123456789abcdefull),
            0x89abcdef01234567ull);
  EXPECT_EQ(one64("mov.b64 {%r0,_},%rd0; cvt.u64.u32 %rd4,%r0;", 0x0123456789abcdefull),
            0x89abcdefull);
  EXPECT_EQ(one64("mov.b128 %q0,{%rd0,%rd1}; mov.b128 {%rd5,%rd4},%q0;", 1, 2), 2ull);
}

TEST(Scopes, InnerNamesHideOuterOnes) {
  EXPECT_EQ(
      one("mov.u32 %r5,%r0;\n{ .reg .b32 %r5; .reg .pred p; mov.u32 %r5,99; setp.eq.u32 p,%r5,99;\n"
          "@p bra L; mov.u32 %r6,1;\nL: }\n{ bra L; mov.u32 %r5,77; L: }\nmov.u32 %r4,%r5;",
          5),
      5u);
}

TEST(Branch, IndexedTargets) {
  std::vector<In> in;
  for (u32 i = 0; i < 100; ++i) in.push_back({i % 4, i, 0, 0});
  auto got = on32(
      "ts: .branchtargets A, B, C, B;\nbrx.idx %r0, ts;\nA: add.u32 %r4,%r1,1; bra D;\n"
      "B: add.u32 %r4,%r1,2; bra D;\nC: add.u32 %r4,%r1,3;\nD: add.u32 %r4,%r4,1000;",
      in);
  const u32 add[] = {1, 2, 3, 2};
  for (u32 i = 0; i < 100; ++i) EXPECT_EQ(got[i], i + add[i % 4] + 1000);
}

TEST(Shuffle, EveryModeAndRange) {
  std::vector<In> in;
  for (u32 i = 0; i < 32; ++i) in.push_back({i * 10, i % 5, 0, 0});
  auto run_mode = [&](const std::string& mode, const std::string& control) {
    return on32("shfl.sync." + mode + ".b32 %r5|%p0,%r0,%r1," + control +
                    ",0xffffffff; selp.u32 %r6,1,0,%p0; add.u32 %r4,%r5,%r6;",
                in);
  };
  for (u32 width : {32u, 8u}) {
    const u32 segment = (32 - width) << 8;
    auto up = run_mode("up", std::to_string(segment)),
         down = run_mode("down", std::to_string(segment | 31)),
         bfly = run_mode("bfly", std::to_string(segment | 31)),
         idx = run_mode("idx", std::to_string(segment | 31));
    for (u32 i = 0; i < 32; ++i) {
      const u32 n = i % 5, base = i / width * width, end = base + width;
      auto want = [&](int from, bool ok) { return ok ? static_cast<u32>(from) * 10 + 1 : i * 10; };
      EXPECT_EQ(up[i], want(static_cast<int>(i - n), i >= base + n)) << i << " width " << width;
      EXPECT_EQ(down[i], want(static_cast<int>(i + n), i + n < end)) << i << " width " << width;
      EXPECT_EQ(bfly[i], want(static_cast<int>(i ^ n), (i ^ n) < end)) << i << " width " << width;
      EXPECT_EQ(idx[i], want(static_cast<int>(base + n), true)) << i << " width " << width;
    }
  }
}

TEST(Memory, SignsAndWidths) {
  EXPECT_EQ(one("ld.global.s8 %r4,[%rdI];", 0x80), 0xffffff80);
  EXPECT_EQ(one("ld.global.u8 %r4,[%rdI+1];", 0x8000), 0x80u);
  EXPECT_EQ(one64("ld.global.s32 %rd4,[%rdI];", 0x80000000), 0xffffffff80000000ull);
  EXPECT_EQ(one64("ld.global.s16 %rd4,[%rdI+2];", 0xfffe0000), u64(-2));
  EXPECT_EQ(one("mov.u32 %r5,0x1234; st.global.u8 [%rdO+1],%r5; ld.global.u32 %r4,[%rdO];"),
            0x3400u);
  EXPECT_EQ(one64("ld.global.v2.b64 {%rd4,_},[%rdI];", 7, 8), 7ull);
}

TEST(Memory, SpacesAndTheirWindows) {
  const char* op =
      ".shared .align 8 .b8 s[64]; .local .align 8 .b8 l[32];\n"
      "mov.u32 %r5,s; cvt.u64.u32 %rd5,%r5; cvta.shared.u64 %rd6,%rd5; st.u32 [%rd6+8],%r0;\n"
      "mov.u64 %rd7,l; cvta.local.u64 %rd8,%rd7; st.local.u32 [%rd7+4],%r1; ld.u32 %r6,[%rd8+4];\n"
      "ld.shared.u32 %r7,[s+8]; isspacep.shared %p0,%rd6; isspacep.local %p1,%rd8; isspacep.global "
      "%p2,%rdI;\n"
      "isspacep.global %p3,%rd6; cvta.to.shared.u64 %rd9,%rd6; cvt.u32.u64 %r8,%rd9; setp.eq.u32 "
      "%p4,%r8,%r5;\n"
      "selp.u32 %r9,1,0,%p0; selp.u32 %r10,2,0,%p1; selp.u32 %r11,4,0,%p2; selp.u32 %r12,8,0,%p3;\n"
      "selp.u32 %r13,16,0,%p4; add.u32 %r4,%r6,%r7; add.u32 %r4,%r4,%r9; add.u32 %r4,%r4,%r10;\n"
      "add.u32 %r4,%r4,%r11; add.u32 %r4,%r4,%r12; add.u32 %r4,%r4,%r13;";
  EXPECT_EQ(one(op, 1000, 300), 1000u + 300 + 1 + 2 + 4 + 16);
}

TEST(Atomic, WideAndNarrow) {
  EXPECT_EQ(one64("mov.b128 %q0,{%rd0,%rd1}; mov.b128 %q1,{%rd2,%rd3}; atom.global.cas.b128 "
                  "%q2,[%rdI],%q0,%q1;"
                  "ld.global.u64 %rd4,[%rdI];",
                  1, 2, 3, 4),
            3ull);
  EXPECT_EQ(one("mov.u16 %h0,1; mov.u16 %h1,7; atom.global.cas.b16 %h2,[%rdI],%h0,%h1; "
                "ld.global.u32 %r4,[%rdI];",
                0x50001),
            0x50007u);
  EXPECT_EQ(one("mov.b32 %r5,0x3c003c00; red.global.add.noftz.f16x2 [%rdI],%r5; ld.global.u32 "
                "%r4,[%rdI];",
                0x40003c00),
            0x42004000u);
  EXPECT_EQ(one("atom.global.inc.u32 %r5,[%rdI],3; atom.global.inc.u32 %r5,[%rdI],3; ld.global.u32 "
                "%r4,[%rdI];",
                3),
            1u);
  EXPECT_EQ(one("atom.global.dec.u32 %r5,[%rdI],3; ld.global.u32 %r4,[%rdI];", 9), 3u);
  EXPECT_EQ(one("atom.global.exch.b32 %r4,[%rdI],5;", 77), 77u);
}

}  // namespace
}  // namespace sim::ptx::test
