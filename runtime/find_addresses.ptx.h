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
  .reg .b64  %d<20>;

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

  // d10: this thread's word, d11: threads in the row
  mov.u32       %r2, %ctaid.x;
  mov.u32       %r3, %ntid.x;
  mov.u32       %r4, %tid.x;
  mov.u32       %r5, %nctaid.x;
  mul.wide.u32  %d10, %r2, %r3;
  cvt.u64.u32   %d12, %r4;
  add.s64       %d10, %d10, %d12;
  mul.wide.u32  %d11, %r5, %r3;

next:
  setp.ge.u64   %p1, %d10, %d3;
  @%p1 bra      done;
  shl.b64       %d13, %d10, 3;
  add.s64       %d13, %d2, %d13;
  ld.global.u64 %d14, [%d13];
  add.s64       %d10, %d10, %d11;
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
done:
  ret;
}
)";

}  // namespace spillway
