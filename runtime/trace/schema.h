// SPDX-License-Identifier: Apache-2.0
// The names of all events and fields, as the head of a trace carries them.
#pragma once

#include <string>

#include "runtime/trace/encode.h"

namespace spillway::trace {

// "bool", "number", "text", "list", or the name of an enum's list of words in the head.
template <class Value>
constexpr const char* type_of() {
  if constexpr (std::is_same_v<Value, bool>) return "bool";
  if constexpr (kIsText<Value>) return "text";
  if constexpr (kIsList<Value>) return "list";
  return std::is_enum_v<Value> ? "word" : "number";
}

// The schema as JSON: {"events": [{"kind": .., "fields": [{"name": .., "type": .., "unit": ..,
// "words": [..]}, ..]}, ..]}. No character in it needs an escape.
std::string schema_json();

}  // namespace spillway::trace
