// SPDX-License-Identifier: Apache-2.0
// The types an option may have. Each knows how to read, to print and to describe itself, by three
// overloads: parse (false leaves the value alone), to_text (parses back to the same value), syntax.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/policy.h"
#include "runtime/log.h"

namespace spillway {

struct Bytes {
  uint64_t count = 0;
  bool operator==(const Bytes&) const = default;
};

// A number of bytes, or a share of a total that is known only later.
struct Limit {
  uint64_t bytes = 0;             // when share_millionths is 0
  uint32_t share_millionths = 0;  // 950000 = 95 %
  uint64_t of(uint64_t total) const;
  bool operator==(const Limit&) const = default;
};

// "%p" stands for the process id, "%r" for the rank in an MPI or torchrun job (0 without one),
// "%%" for a percent sign.
struct Path {
  std::string text;
  std::string expanded() const;
  bool empty() const { return text.empty(); }
  bool operator==(const Path&) const = default;
};

// The beginnings of the file names of libraries.
struct Names {
  std::vector<std::string> names;
  bool operator==(const Names&) const = default;
};

struct PolicyName {
  const policy::PolicyEntry* entry = nullptr;
  bool operator==(const PolicyName&) const = default;
};

enum class InPlace { Auto, On, Off };
enum class MemoryReport { Virtual, Physical };
enum class Trust { Examine, On, Off };
enum class TraceKeep { Last, First };

// The spelling of each value of an option that is an enum, in the order of the enum.
template <class Enum>
inline constexpr std::array<std::string_view, 0> kSpelling{};
template <>
inline constexpr std::array kSpelling<InPlace>{std::string_view("auto"), std::string_view("on"),
                                               std::string_view("off")};
template <>
inline constexpr std::array kSpelling<Trust>{std::string_view("examine"), std::string_view("on"),
                                             std::string_view("off")};
template <>
inline constexpr std::array kSpelling<TraceKeep>{std::string_view("last"),
                                                 std::string_view("first")};
template <>
inline constexpr std::array kSpelling<MemoryReport>{std::string_view("virtual"),
                                                    std::string_view("physical")};
template <>
inline constexpr std::array kSpelling<LogLevel>{
    std::string_view("trace"), std::string_view("debug"), std::string_view("info"),
    std::string_view("warn"),  std::string_view("error"), std::string_view("off")};

bool parse(std::string_view text, bool& out);
bool parse(std::string_view text, Bytes& out);
bool parse(std::string_view text, Limit& out);
bool parse(std::string_view text, Path& out);
bool parse(std::string_view text, Names& out);
bool parse(std::string_view text, PolicyName& out);

std::string to_text(bool value);
std::string to_text(const Bytes& value);
std::string to_text(const Limit& value);
std::string to_text(const Path& value);
std::string to_text(const Names& value);
std::string to_text(const PolicyName& value);

std::string syntax(const bool&);
std::string syntax(const Bytes&);
std::string syntax(const Limit&);
std::string syntax(const Path&);
std::string syntax(const Names&);
std::string syntax(const PolicyName&);

template <class Enum>
requires std::is_enum_v<Enum>
bool parse(std::string_view text, Enum& out) {
  for (size_t i = 0; i < kSpelling<Enum>.size(); ++i) {
    if (kSpelling<Enum>[i] != text) continue;
    out = static_cast<Enum>(i);
    return true;
  }
  return false;
}

template <class Enum>
requires std::is_enum_v<Enum> std::string to_text(const Enum& value) {
  return std::string(kSpelling<Enum>[static_cast<size_t>(value)]);
}

template <class Enum>
requires std::is_enum_v<Enum> std::string syntax(const Enum&) {
  std::string out;
  for (const std::string_view spelling : kSpelling<Enum>) {
    if (!out.empty()) out += ", ";
    out += spelling;
  }
  return "one of " + out;
}

}  // namespace spillway
