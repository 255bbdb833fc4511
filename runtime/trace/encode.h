// SPDX-License-Identifier: Apache-2.0
// An event as bytes: its number, its time, its fields; all numbers as LEB128 (seven bits a byte,
// the lowest first), a text or a list behind its length. FORMAT.md has the grammar.
#pragma once

#include <algorithm>
#include <cstring>

#include "runtime/trace/events.h"

namespace spillway::trace {

template <class Wanted, class Variant>
struct Place;
template <class Wanted, class... Events>
struct Place<Wanted, std::variant<Events...>> {
  static constexpr uint64_t value = [] {
    uint64_t place = 0;
    static_cast<void>(((std::is_same_v<Wanted, Events> ? false : (++place, true)) && ...));
    return place;
  }();
  static_assert(value < sizeof...(Events), "not in trace::Event");
};
template <class E>
inline constexpr uint64_t kNumber = Place<E, Event>::value;

inline constexpr size_t kLongestNumber = 10;  // bytes of a 64-bit LEB128
// More of either is cut off: no event is longer than kLongestEvent.
inline constexpr size_t kLongestText = 4096;
inline constexpr size_t kLongestList = 4096;
inline constexpr size_t kLongestEvent = 64 << 10;
static_assert(kLongestList * kLongestNumber + kLongestText + 16 * kLongestNumber < kLongestEvent);

inline uint8_t* put(uint8_t* to, uint64_t number) {
  while (number >= 0x80) {
    *to++ = static_cast<uint8_t>(number | 0x80);
    number >>= 7;
  }
  *to++ = static_cast<uint8_t>(number);
  return to;
}

// `to` has room for kLongestEvent. Returns the end.
template <class E>
uint8_t* encode(uint8_t* to, uint64_t time, const E& event) {
  to = put(to, kNumber<E>);
  to = put(to, time);
  each_field<E>([&](const auto& field) {
    using Value = typename std::remove_cvref_t<decltype(field)>::value_type;
    const Value& value = event.*field.member;
    if constexpr (kIsText<Value>) {
      const size_t length = std::min(value.size(), kLongestText);
      to = put(to, length);
      std::memcpy(to, value.data(), length);
      to += length;
    } else if constexpr (kIsList<Value>) {
      const auto some = value.first(std::min(value.size(), kLongestList));
      to = put(to, some.size());
      for (const uint64_t number : some) to = put(to, number);
    } else {
      to = put(to, static_cast<uint64_t>(value));
    }
  });
  return to;
}

// A number from [*from, end). False: there is none, or it does not end within kLongestNumber bytes.
inline bool get(const uint8_t** from, const uint8_t* end, uint64_t* number) {
  if (*from < end && **from < 0x80) {  // most are small
    *number = *(*from)++;
    return true;
  }
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && *from < end; shift += 7) {
    const uint8_t byte = *(*from)++;
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte & 0x80) continue;
    *number = value;
    return true;
  }
  return false;
}

}  // namespace spillway::trace
