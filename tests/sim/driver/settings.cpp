// SPDX-License-Identifier: Apache-2.0
// Reading the SIMCUDA_* environment.
#include "tests/sim/driver/settings.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "tests/sim/driver/report.h"
#include "tests/sim/driver/space.h"

namespace sim {
namespace {

enum class Syntax { Number, Bytes, Text };

bool parse_number(std::string_view text, uint64_t* out, std::string_view* rest) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (problem != std::errc{} || end == text.data()) return false;
  *rest = text.substr(static_cast<size_t>(end - text.data()));
  return true;
}

struct Unit {
  std::string_view suffix;
  int shift;
};
constexpr Unit kUnits[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};

bool parse(std::string_view text, Syntax syntax, uint64_t* out) {
  uint64_t number = 0;
  std::string_view rest;
  if (!parse_number(text, &number, &rest)) return false;
  for (const Unit& unit : kUnits) {
    if (rest != unit.suffix) continue;
    if (unit.shift != 0 && syntax == Syntax::Number) return false;
    if (unit.shift != 0 && number >> (64 - unit.shift) != 0) return false;
    *out = number << unit.shift;
    return true;
  }
  return false;
}

void read(const char* variable, Syntax syntax, uint64_t* field) {
  const char* text = getenv(variable);
  if (!text || parse(text, syntax, field)) return;
  complain(fmt::format("{}={}: not a number{}; {} is used", variable, text,
                       syntax == Syntax::Bytes ? " (KiB, MiB, GiB or TiB may follow)" : "",
                       *field));
}

void read(const char* variable, Syntax, std::string* field) {
  if (const char* text = getenv(variable)) *field = text;
}

}  // namespace

const Settings& settings() {
  static const Settings* const read_once = [] {
    auto* fresh = new Settings;
#define SETTING(field, type, standard, variable, doc) read(variable, Syntax::type, &fresh->field);
#include "tests/sim/driver/settings.def"
#undef SETTING
    if (fresh->devices > kMostDevices) {
      complain(fmt::format("SIMCUDA_DEVICES={}: at most {} are simulated", fresh->devices,
                           kMostDevices));
      fresh->devices = kMostDevices;
    }
    return fresh;
  }();
  return *read_once;
}

}  // namespace sim
