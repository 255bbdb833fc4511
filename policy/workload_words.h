// SPDX-License-Identifier: Apache-2.0
// The words of a workload's text (workload_text.h): names, sizes and durations, both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spillway::policy {

// In a message: of control characters and the like nothing is left, nor of length.
std::string quoted(std::string_view text);

// What a word cannot hold is % and two hexadecimal digits in it.
std::string escaped(std::string_view name);
// False: after a % is something else.
bool unescape(std::string_view word, std::string* name);

inline constexpr std::string_view kSizeSyntax =
    "a number of bytes with an optional unit (KiB, MiB, GiB, TiB or KB, MB, GB, TB)";

// Numbers with units; those with a point are taken to the nearest byte or nanosecond. False: the
// word is none, or too large a one.
bool size_of(std::string_view word, uint64_t* bytes);
bool duration_of(std::string_view word, uint64_t* ns);
// In the largest unit that says it exactly.
std::string text_of_size(uint64_t bytes);
std::string text_of_duration(uint64_t ns);

}  // namespace spillway::policy
