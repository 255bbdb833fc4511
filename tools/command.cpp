// SPDX-License-Identifier: Apache-2.0
#include "tools/command.h"

#include <cstdio>

namespace spillway::tools {

void complain(std::string_view text) {
  std::fprintf(stderr, "spillway: %.*s\n", static_cast<int>(text.size()), text.data());
}

void warn(std::string_view text) {
  std::fprintf(stderr, "spillway: warning: %.*s\n", static_cast<int>(text.size()), text.data());
}

}  // namespace spillway::tools
