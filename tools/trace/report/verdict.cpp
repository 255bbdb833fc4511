// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/report/verdict.h"

#include <fmt/format.h>

#include <set>

#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

constexpr double kHardly = 0.02;  // of the time: not worth a word
constexpr double kMuch = 0.25;
constexpr size_t kLongestName = 120;

double share(uint64_t part, uint64_t whole) {
  return whole ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

std::string percent(double share) {
  return fmt::format("{:.{}f}%", 100 * share, share < 0.1 ? 1 : 0);
}

std::string time_text(uint64_t ns) {
  return ns < 1'000'000'000 ? with_unit(ns, "ns")
                            : fmt::format("{:.2f} s", static_cast<double>(ns) / 1e9);
}

bool nothing_happened(const History& history) {
  return !history.allocations && !history.launches && !history.out.moves && !history.in.moves &&
         !history.waited.stalls;
}

std::string moved(const History& history) {
  return fmt::format("{} went out to the host and {} came back", with_unit(history.out.bytes, "B"),
                     with_unit(history.in.bytes, "B"));
}

std::string shortened(std::string name) {
  if (name.size() <= kLongestName) return name;
  name.resize(kLongestName);
  return name + "…";
}

std::string unmoved(const History& history) {
  std::string text = fmt::format("Nothing moved: at most {} were allocated at one time",
                                 with_unit(history.peak, "B"));
  if (history.budget) text += fmt::format(", with a budget of {}", with_unit(history.budget, "B"));
  if (share(history.waited.ns, history.duration()) > kHardly)
    return text + fmt::format("; but calls waited {} in all.", time_text(history.waited.ns));
  return text + ". Spillway did not slow this program down.";
}

}  // namespace

std::vector<std::string> names_of(const std::vector<History>& histories) {
  std::set<std::string> ranks;
  for (const History& history : histories) ranks.insert(history.rank);
  const bool ranked = histories.size() > 1 && ranks.size() == histories.size();
  std::vector<std::string> names;
  for (const History& history : histories)
    names.push_back(ranked ? "rank " + harmless(history.rank)
                           : fmt::format("process {}", history.pid));
  return names;
}

std::string headline_of(const History& history) {
  if (nothing_happened(history))
    return "Nothing is in this trace: no allocation, no launch, no move.";
  const std::string unlaunched = history.launches ? "" : " No kernel was launched.";
  if (!history.out.moves && !history.in.moves) return unmoved(history) + unlaunched;
  const double waited = share(history.waited.ns, history.duration());
  if (waited < kHardly)
    return fmt::format("The program {}, though {}.{}",
                       history.waited.ns ? fmt::format("hardly waited for memory ({} of the time)",
                                                       percent(waited))
                                         : "did not wait for memory",
                       moved(history), unlaunched);
  const bool together = history.waited.ns > history.duration();
  return fmt::format(
      "The program waited {} for memory{}: up to {} were allocated with a budget of {}, so {}.{}",
      time_text(history.waited.ns),
      together
          ? fmt::format(", its threads together, in a run of {}", time_text(history.duration()))
          : fmt::format(", {} of the {} it ran", percent(waited), time_text(history.duration())),
      with_unit(history.peak, "B"),
      history.budget ? with_unit(history.budget, "B") : "unknown size", moved(history), unlaunched);
}

std::string headline_of(const std::vector<History>& histories) {
  const auto worst =
      std::ranges::max_element(histories, {}, [](const History& each) { return each.waited.ns; });
  if (worst == histories.end()) return "";
  if (histories.size() == 1) return headline_of(*worst);
  return fmt::format("Of {} processes, {} waited longest. {}", histories.size(),
                     names_of(histories)[static_cast<size_t>(worst - histories.begin())],
                     headline_of(*worst));
}

std::vector<std::string> findings_of(const History& history) {
  std::vector<std::string> findings;
  if (history.lost)
    findings.push_back(fmt::format(
        "{} events were lost because they came faster than they could be written: all figures "
        "are too low.",
        history.lost));
  if (history.inherited)
    findings.push_back(
        fmt::format("The beginning of the run is not in the trace (SPILLWAY_TRACE_LIMIT): {} "
                    "ranges were there before, and count with what was seen of them.",
                    history.inherited));
  if (!history.out.moves && !history.in.moves) return findings;
  if (history.budget && history.peak > history.budget)
    findings.push_back(fmt::format(
        "With {} of device memory nothing would have to move: that is {:.2f} times the budget.",
        with_unit(history.peak, "B"), share(history.peak, history.budget)));
  const auto kernels =
      dearest(history.kernels, 1, [](const Kernel& kernel) { return kernel.waited.ns; });
  if (!kernels.empty()) {
    const auto& [name, kernel] = *kernels.front();
    if (share(kernel.waited.ns, history.waited.ns) > kMuch)
      findings.push_back(fmt::format("{} of the waiting came before {}.",
                                     percent(share(kernel.waited.ns, history.waited.ns)),
                                     shortened(readable(name))));
  }
  const auto ranges =
      dearest(history.ranges, 1, [](const Life& life) { return life.moved_out + life.moved_in; });
  if (!ranges.empty() && ranges.front()->second.bytes) {
    const auto& [id, life] = *ranges.front();
    const uint64_t both = life.moved_out + life.moved_in;
    if (both > 4 * life.bytes)
      findings.push_back(fmt::format("Range {} moved most: {}, {:.0f} times its size of {}.", id,
                                     with_unit(both, "B"), share(both, life.bytes),
                                     with_unit(life.bytes, "B")));
  }
  const double in = share(history.in.busy, history.duration());
  if (in > kMuch)
    findings.push_back(fmt::format(
        "Data was on its way to the device in {} of the time: while that is so, kernels may wait "
        "on the GPU, too, which a trace does not tell.",
        percent(in)));
  return findings;
}

}  // namespace spillway::tools
