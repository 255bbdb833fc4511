// SPDX-License-Identifier: Apache-2.0
#include "tests/random/trial.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "policy/policy.h"
#include "tests/random/digest.h"
#include "tests/random/random.h"

namespace random_program {
namespace {

namespace fs = std::filesystem;
using support::Command;
using support::Environment;
using support::Finished;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kGranule = 2 * kMiB;
// Beside the budget: what the module, and the driver's pool for small requests, take.
constexpr size_t kSpare = 8 * kMiB;

std::vector<std::string> lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> result;
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

// As many devices as the program uses, linked or not.
Environment with_devices(Environment environment, const Plan& plan) {
  if (plan.devices > 1) environment["SIMCUDA_DEVICES"] = std::to_string(plan.devices);
  if (!plan.peers) environment["SIMCUDA_PEERS"] = "0";
  return environment;
}

Command base_command(const Plan& plan, const TrialOptions& options) {
  const Size usual;
  Command command;
  command.arguments = {options.program, "--seed", std::to_string(plan.seed)};
  const auto add = [&](const char* name, size_t value, size_t otherwise) {
    if (value == otherwise) return;
    command.arguments.insert(command.arguments.end(), {name, std::to_string(value)});
  };
  add("--operations", static_cast<size_t>(options.size.operations),
      static_cast<size_t>(usual.operations));
  add("--footprint", options.size.footprint / kMiB, usual.footprint / kMiB);
  add("--compute", static_cast<size_t>(options.size.compute), static_cast<size_t>(usual.compute));
  if (!options.size.device_calls) command.arguments.push_back("--no-device-calls");
  add("--devices", static_cast<size_t>(options.size.devices), static_cast<size_t>(usual.devices));
  command.environment = with_devices(support::plain(options.gpu), plan);
  command.deadline = std::chrono::seconds(options.seconds * support::slowness());
  return command;
}

// A world with too little memory, drawn at random.
Command hooked_command(const TrialOptions& options, const Plan& plan, int turn, Random* random) {
  Command command = base_command(plan, options);
  Environment& env = command.environment;
  env = with_devices(support::interposed(options.gpu), plan);
  const auto policies = spillway::policy::policies();
  env["SPILLWAY_POLICY"] = policies[random->below(policies.size())].name;

  // Without host-backed mappings a launch must fit as a whole, so less than that is no budget.
  const bool copy_only = random->percent(40);
  const size_t share = turn == 0 ? random->between(20, 50) : random->between(20, 100);
  size_t budget = std::max<size_t>(plan.footprint * share / 100, 2 * kGranule);
  // What the driver itself serves counts against it as well.
  // Beside one thread's call another thread may make a graph that holds its operands still.
  const size_t beside = plan.threads > 1 ? plan.still : 0;
  if (copy_only) budget = std::max(budget, plan.widest + beside + plan.small + 2 * kGranule);
  if (plan.fixed > 0) budget = std::max<size_t>(budget, plan.fixed + plan.small + 2 * kGranule);
  budget = (budget + kGranule - 1) / kGranule * kGranule;
  // Either the user's limit is the smaller one, or the device itself is that small.
  const bool limited = options.gpu == support::Gpu::Installed || random->percent(65);
  // What is held still there leaves the driver no room, whatever else makes way.
  const size_t device = limited ? budget + plan.small + kSpare
                                : (std::max(budget, plan.still) + plan.small + kSpare) * 20 / 19;
  if (limited) env["SPILLWAY_DEVICE_LIMIT"] = std::to_string(budget);
  switch (options.gpu) {
    case support::Gpu::Simulated:
      env["SIMCUDA_MEMORY"] = std::to_string(device / kGranule * kGranule + kGranule);
      env["SIMCUDA_SEED"] = std::to_string(random->below(1000000));
      if (copy_only) env[random->percent(50) ? "SIMCUDA_HOST_VMM" : "SPILLWAY_IN_PLACE"] = "0";
      if (env.count("SPILLWAY_IN_PLACE") != 0) env["SPILLWAY_IN_PLACE"] = "off";
      break;
    case support::Gpu::Installed:
      if (copy_only) env["SPILLWAY_IN_PLACE"] = "off";
      break;
  }
  return command;
}

struct Difference {
  std::string text;
  std::string file;  // of the dump, "" when it is not about a buffer's bytes
  size_t block = 0;
};

std::optional<Difference> compare(const std::string& expected, const std::string& seen) {
  const std::vector<std::string> left = lines(expected), right = lines(seen);
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string none = "(nothing)";
    const std::string& a = i < left.size() ? left[i] : none;
    const std::string& b = i < right.size() ? right[i] : none;
    if (a == b) continue;
    const std::vector<std::string> one = words(a), two = words(b);
    // check <operation> buffer <b> bytes <n> hash... / host <h> offset <o> bytes <n> hash...
    const bool bytes = one.size() > 6 && (one[0] == "check" || one[0] == "host");
    if (bytes && one.size() == two.size() &&
        std::equal(one.begin(), one.begin() + 6, two.begin())) {
      const size_t first =
          std::mismatch(one.begin(), one.end(), two.begin()).first - one.begin() - 6;
      Difference found;
      found.block = first;
      std::ostringstream text;
      for (size_t word = 0; word < 6; ++word) text << one[word] << ' ';
      text << "differs first in the " << kDigestBlock / 1024 << " KiB from offset "
           << first * kDigestBlock;
      size_t count = 0;
      for (size_t word = 6; word < one.size(); ++word) count += one[word] != two[word];
      text << ", in " << count << " of " << one.size() - 6 << " such blocks";
      found.text = text.str();
      if (one[0] == "check") found.file = one[1] + "-" + one[3];
      return found;
    }
    return Difference{"expected: " + a.substr(0, 300) + "\n  seen:     " + b.substr(0, 300), "", 0};
  }
  return std::nullopt;
}

std::string file_bytes(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Runs both worlds again with dumps, to name the byte. Schedules may differ the second time.
std::string locate(const Command& base, const Command& hooked, const Difference& difference) {
  if (difference.file.empty()) return "";
  const support::TemporaryFile expected_name(".expected"), seen_name(".seen");
  const fs::path expected(expected_name.path()), seen(seen_name.path());
  const auto dump = [](Command command, const fs::path& into) {
    fs::create_directory(into);
    command.arguments.insert(command.arguments.end(), {"--dump", into.string()});
    support::run(command);
  };
  dump(base, expected);
  dump(hooked, seen);
  const std::string a = file_bytes(expected / difference.file),
                    b = file_bytes(seen / difference.file);
  fs::remove_all(expected);
  fs::remove_all(seen);
  const size_t size = std::min(a.size(), b.size());
  const size_t at =
      std::mismatch(a.begin(), a.begin() + static_cast<long>(size), b.begin()).first - a.begin();
  if (at == size) return "\n  a second run did not show it again";
  char text[200];
  std::snprintf(text, sizeof text, "\n  first byte: offset %zu, expected 0x%02x, seen 0x%02x", at,
                static_cast<unsigned char>(a[at]), static_cast<unsigned char>(b[at]));
  return text;
}

std::string report(uint64_t seed, const std::string& what, const Command& base,
                   const Command* hooked, const Finished& finished) {
  std::string text = "random: MISMATCH seed " + std::to_string(seed) + ": " + what;
  text += "\n  expected by: " + support::shell_line(base);
  if (hooked != nullptr) text += "\n  seen by:     " + support::shell_line(*hooked);
  const std::string& err = finished.err;
  if (!err.empty()) {
    text += "\n  it said: " + err.substr(err.size() > 2000 ? err.size() - 2000 : 0);
  }
  return text;
}

}  // namespace

Trial try_seed(uint64_t seed, const TrialOptions& options) {
  Trial trial;
  Random random(seed ^ 0x5EED);
  const bool simulated = options.gpu == support::Gpu::Simulated;
  const Plan plan = generate(seed, options.size);
  Command base = base_command(plan, options);
  if (simulated) base.environment["SIMCUDA_SEED"] = std::to_string(random.below(1000000));
  const Finished expected = support::run(base);
  if (!expected.ok()) {
    trial.mismatches.push_back(report(
        seed, "the program fails without the library: " + expected.how(), base, nullptr, expected));
    return trial;
  }
  // The instrument checks itself: another schedule must not change what the program sees.
  if (simulated && random.percent(10)) {
    Command again = base;
    again.environment["SIMCUDA_SEED"] = std::to_string(random.below(1000000));
    const Finished second = support::run(again);
    const std::optional<Difference> difference = compare(expected.out, second.out);
    if (!second.ok() || difference) {
      trial.mismatches.push_back(report(seed,
                                        "without the library, two schedules differ (" +
                                            second.how() +
                                            "): " + (difference ? difference->text : ""),
                                        base, &again, second));
    }
  }
  for (int turn = 0; turn < options.budgets; ++turn) {
    const support::TemporaryFile summary(".json");
    Command hooked = hooked_command(options, plan, turn, &random);
    hooked.environment["SPILLWAY_SUMMARY"] = summary.path();
    const Finished seen = support::run(hooked);
    const auto say = [&](const std::string& what) {
      trial.mismatches.push_back(report(seed, what, base, &hooked, seen));
    };
    if (!seen.ok()) {
      say(seen.how());
      continue;
    }
    trial.operations += plan.operations();
    if (const auto difference = compare(expected.out, seen.out)) {
      say(difference->text + locate(base, hooked, *difference));
    }
    const auto counts = nlohmann::json::parse(summary.text(), nullptr, false);
    if (!counts.is_object() || counts.value("launches", 0) == 0) {
      say("the library wrote no summary of its work: was it there at all?");
      continue;
    }
    trial.moves += counts.value("evictions", uint64_t{0}) + counts.value("fetches", uint64_t{0});
  }
  return trial;
}

}  // namespace random_program
