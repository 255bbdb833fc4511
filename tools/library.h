// SPDX-License-Identifier: Apache-2.0
// Which libspillway.so `spillway run` preloads.
#pragma once

#include <string>

namespace spillway::tools {

struct Library {
  std::string path;     // empty: there is none to preload, and `failure` says why
  std::string failure;  // a sentence
};
// SPILLWAY_LIBRARY, else beside this command or in ../lib.
Library find_library();

}  // namespace spillway::tools
