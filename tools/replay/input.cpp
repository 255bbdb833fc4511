// SPDX-License-Identifier: Apache-2.0
#include "tools/replay/input.h"

#include <fmt/format.h>

#include <algorithm>
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

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view right) {
  throw std::runtime_error(fmt::format("{} {}: not {}", option, text, right));
}

double number_of(const std::string& text) {
  size_t end = 0;
  double value = NAN;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {
    return NAN;
  }
  return end == text.size() && value > 0 && value < 1e9 ? value : NAN;
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
  if (begin == kTextBegins) {
    file.clear();
    file.seekg(0);
    try {
      return policy::read_workload_text(file);
    } catch (const policy::WorkloadTextError& error) {
      throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
    }
  }
  file.close();
  WorkloadReader reader;
  read_trace(path,
             [&](const TraceReader& from, const Record& record) { reader.add(from, record); });
  policy::Workload workload = reader.take();
  workload.name = path;
  return workload;
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
      const double value = number_of(part.substr(0, part.size() - 1));
      if (std::isnan(value)) refuse("--budget", part, "a number before the x or %");
      budget.bytes = static_cast<uint64_t>(part.back() == 'x' ? all / value : all * value / 100);
    } else if (const auto bytes = parse_bytes(part)) {
      budget.bytes = *bytes;
    } else {
      refuse("--budget", part, "a size (12GiB), a share of the peak (50%) or a ratio (1.5x)");
    }
    if (!budget.bytes) refuse("--budget", part, "more than nothing");
    budgets.push_back(budget);
  }
  return budgets;
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
