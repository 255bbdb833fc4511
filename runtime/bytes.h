// SPDX-License-Identifier: Apache-2.0
// Sizes as people write them: "64", "1.5GiB", "512 MiB", "8G", "8GB".
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spillway {

inline constexpr std::string_view kBytesSyntax =
    "a number of bytes with an optional unit (KiB, MiB, GiB, TiB or KB, MB, GB, TB), as in 512MiB";

inline constexpr std::string_view kByteUnits = "KMGTPE";

// A decimal fraction without sign or exponent, times `scale`, rounded down. Exact: no floating
// point is involved, so 0.1TiB is the same number everywhere. Nothing when it does not fit 64 bits.
inline std::optional<uint64_t> parse_scaled(std::string_view text, uint64_t scale) {
  constexpr size_t kMostFractionDigits = 18;  // 10^18 * 10 still fits the arithmetic below
  unsigned __int128 value = 0;
  unsigned __int128 divisor = 1;
  bool fraction = false, digits = false;
  size_t fraction_digits = 0;
  for (const char c : text) {
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    digits = true;
    if (fraction && ++fraction_digits > kMostFractionDigits) continue;
    if (fraction) divisor *= 10;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value / divisor > UINT64_MAX) return std::nullopt;
  }
  if (!digits) return std::nullopt;
  // value < 2^64 * 10^18 < 2^124: whole and fractional part are scaled apart so nothing overflows.
  const unsigned __int128 scaled = value / divisor * scale + value % divisor * scale / divisor;
  if (scaled > UINT64_MAX) return std::nullopt;
  return static_cast<uint64_t>(scaled);
}

inline std::optional<uint64_t> parse_bytes(std::string_view text) {
  const size_t number = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view unit = text.substr(number);
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  const auto upper = [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); };
  uint64_t scale = 1;
  if (!unit.empty() && upper(unit.front()) != 'B') {
    const size_t power = kByteUnits.find(upper(unit.front()));
    if (power == std::string_view::npos) return std::nullopt;
    unit.remove_prefix(1);
    const bool decimal = unit.size() == 1 && upper(unit.front()) == 'B';
    for (size_t i = 0; i <= power; ++i) scale *= decimal ? 1000 : 1024;
    if (!unit.empty() && upper(unit.front()) == 'I') {
      unit.remove_prefix(1);
      if (unit.empty()) return std::nullopt;  // "3Gi" may be anything
    }
  }
  if (!unit.empty() && upper(unit.front()) == 'B') unit.remove_prefix(1);
  if (!unit.empty()) return std::nullopt;
  return parse_scaled(text.substr(0, number), scale);
}

// For people: three digits or so, "12.0 GiB".
inline std::string format_bytes(uint64_t bytes) {
  double value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  size_t power = 0;
  for (value /= 1024; value >= 1024; value /= 1024) ++power;
  return fmt::format("{:.1f} {}iB", value, kByteUnits[power]);
}

// For machines and for setting again: exact, "2MiB", "1536KiB", "1000".
inline std::string exact_bytes(uint64_t bytes) {
  std::string unit;
  for (size_t power = 0; bytes != 0 && bytes % 1024 == 0 && power < kByteUnits.size(); ++power) {
    bytes /= 1024;
    unit = fmt::format("{}iB", kByteUnits[power]);
  }
  return fmt::format("{}{}", bytes, unit);
}

}  // namespace spillway
