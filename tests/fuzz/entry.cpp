// SPDX-License-Identifier: Apache-2.0
// Where libFuzzer calls one of the targets.
#include "tests/fuzz/fuzz.h"

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* bytes,
                                                                             size_t count) {
  fuzz::FUZZ_TARGET({bytes, count});
  return 0;
}
