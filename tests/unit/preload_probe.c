// SPDX-License-Identifier: Apache-2.0
// Stands for libspillway.so in the tests of `spillway run`: it only has to be loaded.
int spillway_preload_probe(void) {
  return 1;
}
