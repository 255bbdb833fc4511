// SPDX-License-Identifier: Apache-2.0
// The list of policies: a new one is one file and one row.
#include <algorithm>
#include <array>

#include "policy/builtin.h"

namespace spillway::policy {
namespace {

constexpr auto kPolicies = std::to_array<PolicyEntry>({
    {"lru", "the piece used longest ago leaves first", make_lru},
    {"clock", "second chance: a piece used since the hand last passed it stays one more round",
     make_clock},
    {"online",
     "what is used last by the job's own repetition leaves first, and what is used soon is fetched",
     make_online},
    {"lookahead", "the same until an iteration has repeated itself; then a plan for all of it",
     make_lookahead},
});

}  // namespace

std::span<const PolicyEntry> policies() {
  return kPolicies;
}

const PolicyEntry* find_policy(std::string_view name) {
  const auto found = std::ranges::find(kPolicies, name, &PolicyEntry::name);
  return found == kPolicies.end() ? nullptr : &*found;
}

}  // namespace spillway::policy
