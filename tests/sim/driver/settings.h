// SPDX-License-Identifier: Apache-2.0
// The SIMCUDA_* environment, read once at first use. settings.def is the list.
#pragma once

#include <cstdint>
#include <string>

namespace sim {

struct Settings {
  using Number = uint64_t;
  using Bytes = uint64_t;
  using Text = std::string;
#define SETTING(field, type, standard, variable, doc) type field = standard;
#include "tests/sim/driver/settings.def"
#undef SETTING
};

// A value that cannot be read is said on stderr, with the syntax, and the default stands.
const Settings& settings();

}  // namespace sim
