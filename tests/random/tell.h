// SPDX-License-Identifier: Apache-2.0
// A plan in words, for whoever must find out why a seed fails.
#pragma once

#include <string>

#include "tests/random/plan.h"

namespace random_program {

std::string tell(const Plan& plan);

}  // namespace random_program
