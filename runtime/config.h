// SPDX-License-Identifier: Apache-2.0
// The options of the library: runtime/config.def is the list, everything here derives from it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/option_types.h"

namespace spillway {

// A value-initialised Config has everything off: use default_config() for the documented defaults.
struct Config {
#define OPTION(field, type, env, fallback, doc) type field{};
#define KNOWN(env, doc)
#include "runtime/config.def"
#undef KNOWN
#undef OPTION
};

// One option, for whoever prints, sets or documents all of them.
struct OptionInfo {
  std::string_view field;     // device_limit
  std::string_view env;       // SPILLWAY_DEVICE_LIMIT
  std::string_view fallback;  // the default, as text
  std::string_view doc;
  std::string (*syntax)();
  bool (*set)(Config&, std::string_view text);  // false: bad text, nothing changed
  std::string (*value)(const Config&);
};
std::span<const OptionInfo> options();

// Receives one sentence for each thing in the environment that could not be used.
using Complain = std::function<void(std::string_view)>;

Config default_config();
// `environment` is an array like environ: "NAME=value" strings up to a null pointer (null: empty).
// An empty value counts as not set. A bad value is complained of and the default stands.
Config load_config(const char* const* environment, const Complain& complain);
// The value of `name` in such an array; null when it is not there. Allocates nothing.
const char* find_variable(const char* const* environment, std::string_view name) noexcept;
// The sentence about a bad value, the same from the library and from `spillway run`.
std::string bad_value(std::string_view what, const OptionInfo& option, std::string_view text);

// The options of this process: read from its environment at the first call, which also configures
// the log and logs the complaints. Leaked on purpose. When memory ends meanwhile, everything is
// off.
const Config& config() noexcept;

}  // namespace spillway
