// SPDX-License-Identifier: Apache-2.0
// What occurs in a program, by name: so that a kind of operation that no seed has is seen.
#pragma once

#include <set>
#include <string>

#include "tests/random/plan.h"

namespace random_program {

std::set<std::string> kinds(const Plan& plan);

}  // namespace random_program
