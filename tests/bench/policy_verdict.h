// SPDX-License-Identifier: Apache-2.0
// What many cases come to for the library's default policy, in a line.
#pragma once

#include <string>
#include <string_view>

#include "tests/bench/policy_case.h"

namespace bench {

class PolicyVerdict {
 public:
  static constexpr std::string_view kJudged = "lookahead";

  void add(const PolicyCase& which, const CaseFigures& figures);
  // policy: lookahead time/LB2 geomean=<x> worst=<x> bytes geomean=<x> vs_lru=<x> gpt150=<x>
  // bytes: those moved over the least, where moving costs time at all. vs_lru: of the speed-up over
  // fetching on demand that LB2 permits, the share that was reached in the worst case. gpt150: that
  // speed-up for GPTs in training with 1.5 times the memory, over PCIe 5.
  std::string line() const;

 private:
  class Geomean {
   public:
    void add(double value);
    std::string text() const;

   private:
    double logs_ = 0;
    int count_ = 0;
  };

  Geomean over_, bytes_, gpt150_;
  double worst_ = 0;
};

}  // namespace bench
