// SPDX-License-Identifier: Apache-2.0
#include "policy/link.h"

#include <algorithm>
#include <array>

namespace spillway::policy {
namespace {

constexpr auto kLinks = std::to_array<Link>({
    {"h200-pcie5", 55.4, 55.2, 100},
    {"gh200-c2c", 340, 295, 455},
    {"v100-nvlink2", 68, 68, 136},
});

}  // namespace

std::span<const Link> links() {
  return kLinks;
}

const Link* find_link(std::string_view name) {
  const auto found = std::ranges::find(kLinks, name, &Link::name);
  return found == kLinks.end() ? nullptr : &*found;
}

}  // namespace spillway::policy
