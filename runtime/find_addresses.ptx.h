// SPDX-License-Identifier: Apache-2.0
// The kernel that reads memory for addresses of ranges. Text, so that every device since Volta can
// run it: the driver compiles it when a context first needs it.
//
// Block row y reads regions[y] = {begin, words}, aligned to 8 bytes, and appends {where, what} to
// the report for each word that lies in the arena but not in the region itself. report[0] counts
// them all; the first `most` are kept, from report[2] on.
#pragma once

namespace spillway {

inline constexpr unsigned kRegionsAtOnce = 32;  // regions[], below

inline constexpr char kFindAddresses[] = R"(
.version 6.0
.target sm_50
.address_size 64

.visible .entry spillway_find_addresses(
  .param .align 8 .b8 regions[512],
  .param .u64 arena,
  .param .u64 arena_bytes,
  .param .u64 report,
  .param .u64 most
)
{
  .reg .pred %p<4>;
  .reg .b32  %r<6>;
  .reg .b64  %d<29>;

  // d2: begin, d3: words, of this block's region
  mov.u32       %r1, %ctaid.y;
  mul.wide.u32  %d1, %r1, 16;
  mov.b64       %d4, regions;
  add.s64       %d4, %d4, %d1;
  ld.param.u64  %d2, [%d4];
  ld.param.u64  %d3, [%d4+8];
  ld.param.u64  %d5, [arena];
  ld.param.u64  %d6, [arena_bytes];
  ld.param.u64  %d7, [report];
  ld.param.u64  %d8, [most];
  cvta.to.global.u64 %d7, %d7;
  shl.b64       %d9, %d3, 3;

  // d10: this thread, d11: threads in the row
  mov.u32       %r2, %ctaid.x;
  mov.u32       %r3, %ntid.x;
  mov.u32       %r4, %tid.x;
  mov.u32       %r5, %nctaid.x;
  mul.wide.u32  %d10, %r2, %r3;
  cvt.u64.u32   %d12, %r4;
  add.s64       %d10, %d10, %d12;
  mul.wide.u32  %d11, %r5, %r3;

  // Four words at a time where the region is aligned to 16 bytes: d20 of d21 such groups.
  mov.u64       %d20, %d10;
  shr.u64       %d21, %d3, 2;
  and.b64       %d13, %d2, 15;
  setp.ne.u64   %p1, %d13, 0;
  selp.b64      %d21, 0, %d21, %p1;
group:
  setp.ge.u64   %p1, %d20, %d21;
  @%p1 bra      rest;
  shl.b64       %d13, %d20, 5;
  add.s64       %d13, %d2, %d13;
  ld.global.v2.u64 {%d22, %d23}, [%d13];
  ld.global.v2.u64 {%d24, %d25}, [%d13+16];
  sub.s64       %d22, %d22, %d5;
  sub.s64       %d23, %d23, %d5;
  sub.s64       %d24, %d24, %d5;
  sub.s64       %d25, %d25, %d5;
  min.u64       %d22, %d22, %d23;
  min.u64       %d24, %d24, %d25;
  min.u64       %d22, %d22, %d24;
  setp.lt.u64   %p1, %d22, %d6;
  @%p1 bra      closer;
  add.s64       %d20, %d20, %d11;
  bra           group;
closer:
  shl.b64       %d26, %d20, 2;
  add.s64       %d27, %d26, 4;
  mov.u64       %d28, 1;
  add.s64       %d20, %d20, %d11;
  bra           next;
rest:
  shl.b64       %d26, %d21, 2;
  add.s64       %d26, %d26, %d10;
  mov.u64       %d27, %d3;
  mov.u64       %d28, %d11;
  mov.u64       %d20, -1;

  // The words d26, d26 + d28, ... before d27; then the next group, if there may be one.
next:
  setp.ge.u64   %p1, %d26, %d27;
  @%p1 bra      over;
  shl.b64       %d13, %d26, 3;
  add.s64       %d13, %d2, %d13;
  ld.global.u64 %d14, [%d13];
  add.s64       %d26, %d26, %d28;
  sub.s64       %d15, %d14, %d5;
  setp.ge.u64   %p1, %d15, %d6;
  @%p1 bra      next;
  sub.s64       %d15, %d14, %d2;
  setp.lt.u64   %p2, %d15, %d9;
  @%p2 bra      next;
  atom.global.add.u64 %d16, [%d7], 1;
  setp.ge.u64   %p3, %d16, %d8;
  @%p3 bra      next;
  shl.b64       %d17, %d16, 4;
  add.s64       %d17, %d7, %d17;
  st.global.u64 [%d17+16], %d13;
  st.global.u64 [%d17+24], %d14;
  bra           next;
over:
  setp.ne.u64   %p1, %d20, -1;
  @%p1 bra      group;
  ret;
}
)";

}  // namespace spillway
