// SPDX-License-Identifier: Apache-2.0
// How far a job is from what is possible, whose fault that is, and what would help: in numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "policy/cycle.h"
#include "policy/link.h"

namespace spillway::policy {

struct Verdict {
  enum class Fault : uint8_t {
    None,        // next to nothing is lost
    Capacity,    // one launch alone uses more than the budget
    Link,        // all that must move takes longer than the kernels
    Window,      // it would fit into the iteration, but not where it has to move
    Prediction,  // it could be hidden, and was not
  };
  Fault fault = Fault::None;
  double bound = 1;     // the least time of an iteration, in memory = 1; Capacity: not known
  double measured = 0;  // what it takes; 0: not known
  // So much more memory allows with_more: half of what the bound is over 1, or, of Capacity, that
  // every launch fits. 0: none is needed.
  uint64_t more_bytes = 0;
  double with_more = 1;
};

// `measured_ns`: of an iteration; 0: not known. Takes about as long as eight times bounds_of.
Verdict verdict_of(const Cycle& cycle, uint64_t capacity, const Link& link, double measured_ns);

// "link", as in JSON.
std::string_view name_of(Verdict::Fault fault);

// In a sentence. `who`: what was measured.
std::string text_of(const Verdict& verdict, const std::string& who);

}  // namespace spillway::policy
