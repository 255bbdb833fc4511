// SPDX-License-Identifier: Apache-2.0
// Least recently used: no state of its own, the use counter says it all.
#include <algorithm>
#include <tuple>

#include "policy/builtin.h"

namespace spillway::policy {
namespace {

class Lru final : public Policy {
 public:
  void rank(std::vector<PieceView>& resident) override {
    // Pieces of one launch share a use count: the id keeps the answer independent of input order.
    std::ranges::sort(resident, {},
                      [](const PieceView& piece) { return std::tuple(piece.last_use, piece.id); });
  }
};

}  // namespace

std::unique_ptr<Policy> make_lru() {
  return std::make_unique<Lru>();
}

}  // namespace spillway::policy
