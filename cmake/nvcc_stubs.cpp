// SPDX-License-Identifier: Apache-2.0
// For programs under the thread sanitizer: nvcc's stub of every kernel stores the kernel's address
// in a static variable at each launch, whichever thread launches.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "race:__device_stub__\n";
}
