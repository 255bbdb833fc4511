// SPDX-License-Identifier: Apache-2.0
#include "tools/replay/input.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include "policy/workload_text.h"
#include "runtime/bytes.h"
#include "tools/trace/trace.h"
#include "tools/trace/workload.h"

namespace spillway::tools {

namespace {

constexpr std::string_view kTextBegins = "spillway-workload";
constexpr uint64_t kMostBytes = 1ull << 50;  // of a budget: sums of them must not overflow
constexpr uint64_t kMostBufferBytes = 1ull << 40;
constexpr uint64_t kMostPieces = 1 << 22;

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view right) {
  throw std::runtime_error(fmt::format("{} {}: not {}", option, text.empty() ? "''" : text, right));
}

// NAN: it is none, or none that means anything here.
double number_of(std::string_view text) {
  double value = NAN;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && value > 0 && value < 1e9 ? value : NAN;
}

policy::Workload read_text(std::istream& file, const std::string& path) {
  try {
    return policy::read_workload_text(file);
  } catch (const policy::WorkloadTextError& error) {
    throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
  }
}

policy::Workload read_recorded(const std::string& path) {
  WorkloadReader reader;
  read_trace(path,
             [&](const TraceReader& from, const Record& record) { reader.add(from, record); });
  return reader.take();
}

}  // namespace

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

policy::Workload read_workload(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(fmt::format("{}: cannot be read", path));
  std::string begin(kTextBegins.size(), '\0');
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  file.clear();
  file.seekg(0);
  policy::Workload workload = begin == kTextBegins ? read_text(file, path) : read_recorded(path);
  using policy::Event;
  if (std::ranges::find(workload.events, Event::Kind::Iteration, &Event::kind) ==
      workload.events.end())
    workload.events.insert(workload.events.begin(), {.kind = Event::Kind::Iteration});
  if (std::ranges::any_of(workload.buffers,
                          [](uint64_t bytes) { return bytes > kMostBufferBytes; }))
    throw std::runtime_error(fmt::format("{}: an allocation of more than {} is in it", path,
                                         format_bytes(kMostBufferBytes)));
  return workload;
}

void check_pieces(const policy::Workload& workload, uint64_t piece_bytes) {
  uint64_t pieces = 0;
  for (const uint64_t bytes : workload.buffers) {
    pieces += std::max<uint64_t>(bytes / piece_bytes + (bytes % piece_bytes != 0), 1);
    if (pieces > kMostPieces)
      throw std::runtime_error(
          fmt::format("more than {} pieces of {} would be needed: --piece can be larger, or --laps "
                      "fewer",
                      kMostPieces, format_bytes(piece_bytes)));
  }
}

uint64_t peak_bytes(const policy::Workload& workload) {
  uint64_t now = 0, most = 0;
  for (const policy::Event& event : workload.events) {
    if (event.kind == policy::Event::Kind::Allocate) now += workload.buffers[event.buffer];
    if (event.kind == policy::Event::Kind::Free) now -= workload.buffers[event.buffer];
    most = std::max(most, now);
  }
  return most;
}

std::vector<Budget> parse_budgets(const std::string& text, uint64_t peak) {
  std::vector<Budget> budgets;
  const auto all = static_cast<double>(peak);
  for (const std::string& part : split(text)) {
    Budget budget{part, 0};
    if (part.ends_with('x') || part.ends_with('%')) {
      const double value = number_of(std::string_view(part).substr(0, part.size() - 1));
      if (std::isnan(value)) refuse("--budget", part, "a number before the x or %");
      const double bytes = part.back() == 'x' ? all / value : all * value / 100;
      budget.bytes = static_cast<uint64_t>(std::min(bytes, 2.0 * kMostBytes));
    } else if (const auto bytes = parse_bytes(part)) {
      budget.bytes = *bytes;
    } else {
      refuse("--budget", part, "a size (12GiB), a share of the peak (50%) or a ratio (1.5x)");
    }
    if (!budget.bytes) refuse("--budget", part, "more than nothing");
    if (budget.bytes > kMostBytes)
      refuse("--budget", part, fmt::format("at most {}", format_bytes(kMostBytes)));
    budgets.push_back(budget);
  }
  return budgets;
}

uint64_t parse_piece(const std::string& text) {
  const auto bytes = parse_bytes(text);
  if (!bytes || !*bytes) refuse("--piece", text, kBytesSyntax);
  return *bytes;
}

policy::Link parse_link(const std::string& text) {
  if (const policy::Link* known = policy::find_link(text)) return *known;
  std::string names;
  for (const policy::Link& link : policy::links()) names += std::string(link.name) + ", ";
  const auto parts = split(text);
  std::vector<double> rates;
  for (const std::string& part : parts) rates.push_back(number_of(part));
  if (parts.size() < 2 || parts.size() > 3 ||
      std::ranges::any_of(rates, [](double r) { return std::isnan(r); }))
    refuse("--link", text,
           fmt::format("one of {}or rates in GB/s as IN,OUT or IN,OUT,BOTH", names));
  policy::Link link{"", rates[0], rates[1], rates.size() == 3 ? rates[2] : rates[0] + rates[1]};
  if (link.both < std::max(link.in, link.out) || link.both > link.in + link.out)
    refuse("--link", text, "BOTH between the greater of IN and OUT and their sum");
  return link;
}

}  // namespace spillway::tools
