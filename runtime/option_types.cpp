// SPDX-License-Identifier: Apache-2.0
#include "runtime/option_types.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/bytes.h"

namespace spillway {
namespace {

constexpr std::string_view kOn[] = {"on", "1", "yes", "true"};
constexpr std::string_view kOff[] = {"off", "0", "no", "false"};
constexpr uint64_t kMillion = 1000000;

// Open MPI, MPICH and Slurm, torchrun.
constexpr const char* kRankVariables[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID",
                                          "RANK"};

std::string rank() {
  for (const char* variable : kRankVariables) {
    const char* value = getenv(variable);
    const std::string_view text = value ? value : "";
    if (!text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == text.npos)
      return std::string(text);
  }
  return "0";
}

}  // namespace

uint64_t Limit::of(uint64_t total) const {
  if (share_millionths == 0) return std::min(bytes, total);
  return static_cast<uint64_t>(static_cast<unsigned __int128>(total) * share_millionths / kMillion);
}

std::string Path::expanded() const {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '%' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'p' || next == 'r') {
      out += next == 'p' ? std::to_string(getpid()) : rank();
      ++i;
    } else {
      out += text[i];
      if (next == '%') ++i;
    }
  }
  return out;
}

bool parse(std::string_view text, bool& out) {
  const bool on = std::ranges::find(kOn, text) != std::end(kOn);
  if (!on && std::ranges::find(kOff, text) == std::end(kOff)) return false;
  out = on;
  return true;
}

bool parse(std::string_view text, Bytes& out) {
  const auto bytes = parse_bytes(text);
  if (bytes) out.count = *bytes;
  return bytes.has_value();
}

bool parse(std::string_view text, Limit& out) {
  if (text.ends_with('%')) {
    const auto share = parse_scaled(text.substr(0, text.size() - 1), kMillion / 100);
    if (!share || *share == 0 || *share > kMillion) return false;
    out = {.bytes = 0, .share_millionths = static_cast<uint32_t>(*share)};
    return true;
  }
  const auto bytes = parse_bytes(text);
  if (!bytes || *bytes == 0) return false;
  out = {.bytes = *bytes, .share_millionths = 0};
  return true;
}

bool parse(std::string_view text, Path& out) {
  out.text = text;
  return true;
}

bool parse(std::string_view text, Names& out) {
  Names names;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string_view name = text.substr(at, end - at);
    if (name.empty() || name.find_first_of("/ \t") != name.npos) return false;
    names.names.emplace_back(name);
    at = end + 1;
  }
  if (names.names == std::vector<std::string>{"none"}) names.names.clear();
  out = std::move(names);
  return true;
}

bool parse(std::string_view text, PolicyName& out) {
  const policy::PolicyEntry* entry = policy::find_policy(text);
  if (entry != nullptr) out.entry = entry;
  return entry != nullptr;
}

std::string to_text(bool value) {
  return value ? "on" : "off";
}
std::string to_text(const Bytes& value) {
  return exact_bytes(value.count);
}
std::string to_text(const Limit& value) {
  if (value.share_millionths == 0) return exact_bytes(value.bytes);
  std::string digits =
      fmt::format("{}.{:04}", value.share_millionths / 10000, value.share_millionths % 10000);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return digits + "%";
}
std::string to_text(const Path& value) {
  return value.text;
}
std::string to_text(const Names& value) {
  return value.names.empty() ? "none" : fmt::format("{}", fmt::join(value.names, ","));
}
std::string to_text(const PolicyName& value) {
  return value.entry == nullptr ? std::string() : std::string(value.entry->name);
}

std::string syntax(const bool&) {
  return "on or off";
}
std::string syntax(const Bytes&) {
  return std::string(kBytesSyntax);
}
std::string syntax(const Limit&) {
  return fmt::format("a share from above 0% to 100%, or {}; not 0", kBytesSyntax);
}
std::string syntax(const Path&) {
  return "a path; %p stands for the process id";
}
std::string syntax(const Names&) {
  return "beginnings of file names, separated by commas, or none";
}
std::string syntax(const PolicyName&) {
  std::string names;
  for (const policy::PolicyEntry& entry : policy::policies()) {
    if (!names.empty()) names += ", ";
    names += entry.name;
  }
  return "one of " + names;
}

}  // namespace spillway
