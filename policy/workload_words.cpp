// SPDX-License-Identifier: Apache-2.0
#include "policy/workload_words.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace spillway::policy {
namespace {

struct Unit {
  std::string_view name;
  uint64_t value;
};
// The largest first, so that what is written is short, and in powers of two where these will do.
constexpr auto kSizes = std::to_array<Unit>({{"TiB", 1ull << 40},
                                             {"GiB", 1 << 30},
                                             {"MiB", 1 << 20},
                                             {"KiB", 1 << 10},
                                             {"TB", 1'000'000'000'000},
                                             {"GB", 1'000'000'000},
                                             {"MB", 1'000'000},
                                             {"KB", 1'000},
                                             {"", 1}});
constexpr auto kDurations = std::to_array<Unit>({{"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}});

constexpr char kEscape = '%';
constexpr std::string_view kHex = "0123456789abcdef";

bool stands_for_itself(char letter, size_t place) {
  const auto code = static_cast<unsigned char>(letter);
  return code > ' ' && code != 0x7f && letter != kEscape && (letter != '#' || place > 0);
}

// A number, whole or with a point, times a unit, to the nearest. False: it is not, or too large.
bool measure(std::string_view number, uint64_t unit, uint64_t* value) {
  const char* const end = number.data() + number.size();
  if (number.find('.') == std::string_view::npos) {
    const auto [ptr, error] = std::from_chars(number.data(), end, *value);
    if (error != std::errc() || ptr != end) return false;
    return !__builtin_mul_overflow(*value, unit, value);
  }
  const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
  if (!is_digit(number.front()) || !is_digit(number.back())) return false;
  double some = 0;
  const auto [ptr, error] = std::from_chars(number.data(), end, some, std::chars_format::fixed);
  some = std::round(some * static_cast<double>(unit));
  if (error != std::errc() || ptr != end || !(some < 0x1p63)) return false;
  *value = static_cast<uint64_t>(some);
  return true;
}

bool measure(std::string_view word, std::span<const Unit> units, uint64_t* value) {
  for (const Unit& unit : units)
    if (word.ends_with(unit.name))
      return measure(word.substr(0, word.size() - unit.name.size()), unit.value, value);
  return false;
}

std::string text_of(uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (unit.value == 1 || (value > 0 && value % unit.value == 0))
      return std::to_string(value / unit.value).append(unit.name);
  return {};
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr size_t kShown = 40;
  std::string shown = "'";
  for (const char letter : text.substr(0, kShown))
    shown += letter >= ' ' && letter <= '~' ? letter : '?';
  if (text.size() > kShown) shown += "...";
  return shown + "'";
}

std::string escaped(std::string_view name) {
  if (name.empty()) return std::string(1, kEscape);
  std::string word;
  for (size_t i = 0; i < name.size(); ++i) {
    if (stands_for_itself(name[i], i)) {
      word += name[i];
    } else {
      const auto code = static_cast<unsigned char>(name[i]);
      word.append({kEscape, kHex[code >> 4], kHex[code & 15]});
    }
  }
  return word;
}

bool unescape(std::string_view word, std::string* name) {
  name->clear();
  if (word == std::string_view(&kEscape, 1)) return true;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != kEscape) {
      *name += word[i];
      continue;
    }
    if (i + 2 >= word.size()) return false;
    unsigned code = 0;
    const char* const end = word.data() + i + 3;
    if (std::from_chars(word.data() + i + 1, end, code, 16).ptr != end) return false;
    *name += static_cast<char>(code);
    i += 2;
  }
  return true;
}

bool size_of(std::string_view word, uint64_t* bytes) {
  return measure(word, kSizes, bytes);
}
bool duration_of(std::string_view word, uint64_t* ns) {
  return measure(word, kDurations, ns);
}
std::string text_of_size(uint64_t bytes) {
  return text_of(bytes, kSizes);
}
std::string text_of_duration(uint64_t ns) {
  return text_of(ns, kDurations);
}

}  // namespace spillway::policy
