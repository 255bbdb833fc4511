// SPDX-License-Identifier: Apache-2.0
// Way 1: linked against libcuda, calls its symbols directly.
#include "tests/integration/ways_in/job.h"

int main() {
  ways::Api api;
#define FUNCTION(name, symbol, since) api.name##_at = &::symbol;
  WAYS_FUNCTIONS(FUNCTION)
#undef FUNCTION
  ways::enter(api);
  ways::work(api);
  ways::report();
}
