// SPDX-License-Identifier: Apache-2.0
// How an event describes its fields: a name, a member, a unit. What a member may be: bool, a
// number, an enum with names_of(), and at most one text and one list of numbers in an event.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace spillway::trace {

template <class Event, class Value>
struct Field {
  const char* name;
  Value Event::*member;
  const char* unit = "";  // B, ns
  using value_type = Value;
};
template <class Event, class Value>
Field(const char*, Value Event::*) -> Field<Event, Value>;
template <class Event, class Value>
Field(const char*, Value Event::*, const char*) -> Field<Event, Value>;

template <class Value>
inline constexpr bool kIsText = std::is_same_v<Value, std::string_view>;
template <class Value>
inline constexpr bool kIsList = std::is_same_v<Value, std::span<const uint64_t>>;

// visit(field) for each field of an event, in the order in which they are written.
template <class Event, class Visit>
constexpr void each_field(Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, Event::fields());
}

}  // namespace spillway::trace
