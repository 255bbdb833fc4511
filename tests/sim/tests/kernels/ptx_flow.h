// SPDX-License-Identifier: Apache-2.0
// Control flow that pulls the lanes of a warp apart, as functions that run on host and device
// alike: the host's answer is the expected one. Integers only, so that they must agree in every
// bit.
#pragma once

#ifdef __CUDACC__
#define BOTH __host__ __device__
#define BOTH_CALL __host__ __device__ __noinline__
#else
#define BOTH inline
#define BOTH_CALL inline
#endif

BOTH unsigned mix(unsigned x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

BOTH unsigned nested(unsigned x) {
  unsigned r = 0;
  if (x & 1) {
    if (x & 2) {
      r += 3;
      if (x & 4)
        r = r * 7 + x;
      else if (x & 8)
        r = r * 11 - x;
    } else {
      r ^= x * 5;
    }
    r = r * 31 + 1;
  } else if (x & 16) {
    for (unsigned i = 0; i < (x & 7); ++i) r = mix(r + i);
  }
  return r * 13 + x;
}

BOTH unsigned loops(unsigned x) {
  unsigned r = x;
  for (unsigned i = 0; i < 40; ++i) {
    unsigned v = mix(x + i);
    if (v % 5 == 0) continue;
    if (v % 37 == 1) break;
    for (unsigned j = 0; j < v % 9; ++j) {
      if ((r & 15) == j) break;
      r = r * 3 + j;
      while (r % 11 == 4) {
        r = mix(r);
        if (r & 64) goto out;
      }
    }
    r += v;
  }
out:
  do {
    r = r * 5 + 1;
  } while (r & 0x30);
  return r;
}

BOTH unsigned early(unsigned x) {
  if (x % 3 == 0) return x * 17;
  for (unsigned i = 0;; ++i) {
    if (mix(x * 3 + i) % 23 == 0) return i;
    if (i > x % 50) return ~i;
  }
}

BOTH unsigned choose(unsigned x) {
  unsigned r = 1;
  for (int round = 0; round < 3; ++round) {
    switch (mix(x + round) % 11) {
      case 0:
        r += 5;
        break;
      case 1:
        r *= 3;  // falls through
      case 2:
        r ^= x;
        break;
      case 3:
        r = mix(r);
        break;
      case 4:
        if (x & 1) break;
        r -= 9;
        break;
      case 5:
        return r * 2;
      case 6:
        r <<= 1;
        break;
      case 7:
        r >>= 2;
        break;
      case 8:
        r = ~r;
        break;
      case 9:
        r = r * r;
        break;
      default:
        r += x;
        break;
    }
  }
  return r;
}

struct Pair {
  unsigned a[3];
  unsigned long long b;
};

BOTH_CALL Pair change(Pair p, unsigned k) {
  p.a[k % 3] += k;
  if (k & 1) p.b = p.b * 3 + p.a[(k + 1) % 3];
  return p;
}

// Divergent calls, structures by value, indexed local memory.
BOTH unsigned calls(unsigned x) {
  Pair p = {{x, x + 1, x + 2}, x * 5ull};
  for (unsigned i = 0; i < x % 6; ++i) {
    if (mix(x + i) & 1)
      p = change(p, x + i);
    else
      p.b ^= change(p, i).a[i % 3];
  }
  return p.a[0] ^ p.a[1] * 3 ^ p.a[2] * 5 ^ static_cast<unsigned>(p.b);
}

BOTH_CALL unsigned fibonacci(unsigned n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

BOTH unsigned local_array(unsigned x) {
  unsigned a[24];
  for (unsigned i = 0; i < 24; ++i) a[i] = mix(x + i);
  for (unsigned i = 1; i < 24; ++i) {  // insertion sort: a data-dependent inner loop
    unsigned v = a[i];
    int j = static_cast<int>(i) - 1;
    for (; j >= 0 && a[j] > v; --j) a[j + 1] = a[j];
    a[j + 1] = v;
  }
  unsigned r = 0;
  for (unsigned i = 0; i < 24; ++i) r = r * 31 + a[i];
  return r;
}

#define FLOW_FUNCTIONS(X) X(nested) X(loops) X(early) X(choose) X(calls) X(local_array)
