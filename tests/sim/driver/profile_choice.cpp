// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>

#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

const Profile& choose() {
  std::string names;
  for (const Profile& profile : profiles()) {
    if (profile.name == settings().profile) return profile;
    names.append(names.empty() ? "" : ", ").append(profile.name);
  }
  complain(fmt::format("SIMCUDA_PROFILE={}: there are {}; using {}", settings().profile, names,
                       profiles()[0].name));
  return profiles()[0];
}

}  // namespace

const Profile& profile() {
  static const Profile& chosen = choose();
  return chosen;
}

}  // namespace sim
