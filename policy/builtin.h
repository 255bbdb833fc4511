// SPDX-License-Identifier: Apache-2.0
// How the one table (policies.cpp) makes the policies of this folder. Nobody else needs it.
#pragma once

#include <memory>

#include "policy/policy.h"

namespace spillway::policy {

std::unique_ptr<Policy> make_lru();
std::unique_ptr<Policy> make_clock();
std::unique_ptr<Policy> make_online();
std::unique_ptr<Policy> make_lookahead();

}  // namespace spillway::policy
