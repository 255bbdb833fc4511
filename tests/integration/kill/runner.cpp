// SPDX-License-Identifier: Apache-2.0
// Kills the victim at random moments, from the beginning of its trace to its end, and reads what it
// left: no file may be unreadable, none may have more wrong with it than that it ends early, and
// each thread's events are the first so many of those that it recorded, in order. Every other trace
// is so small that it begins anew all the time, where all but the first part may be missing.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "runtime/trace/format.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"
#include "tools/trace/reader.h"

namespace {

namespace fs = std::filesystem;
namespace trace = spillway::trace;
using spillway::tools::Record;
using spillway::tools::TraceReader;
using Clock = std::chrono::steady_clock;
using Duration = std::chrono::microseconds;

constexpr int kMilliseconds = 300;  // that it records if nobody kills it
constexpr uint64_t kEndless = uint64_t{1} << 30, kSmall = 256 << 10;

// Until the end, or until it is killed, so long after its trace has begun.
Duration run_victim(const std::string& path, uint64_t limit, Duration killed_after) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const std::string program = support::program("kill_victim");
  const std::string words[] = {std::to_string(limit), std::to_string(kMilliseconds)};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl(program.c_str(), program.c_str(), path.c_str(), words[0].c_str(), words[1].c_str(),
          nullptr);
    _exit(127);
  }
  close(ends[1]);
  char begun;
  const bool alive = child > 0 && read(ends[0], &begun, 1) == 1;
  const auto begin = Clock::now();
  if (alive && killed_after != Duration::max()) {
    std::this_thread::sleep_for(killed_after);
    kill(child, SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  if (!alive) throw std::runtime_error("the victim does not begin its trace");
  return std::chrono::duration_cast<Duration>(Clock::now() - begin);
}

// What is known of the threads while the parts of one trace are read.
struct Threads {
  std::map<uint64_t, uint64_t> next;   // number of the event that comes next, by thread
  std::map<uint64_t, uint64_t> times;  // of the last event, by slot
  std::map<uint64_t, uint64_t> lost;   // since the last event, by slot
  std::set<uint64_t> names;
  uint64_t events = 0;
  bool begins_late = false;  // an earlier part is gone
};

// "" when all is well.
std::string follow(const Record& record, Threads& threads) {
  // Who uses a slot is told anew in every part, at a time of its own.
  if (record.kind->name == trace::Thread::kind || record.kind->name == trace::Named::kind) {
    if (const auto named = TraceReader::as<trace::Named>(record)) threads.names.insert(named->name);
    return "";
  }
  threads.events++;
  uint64_t& time = threads.times[record.slot];
  if (record.time < time) return fmt::format("slot {} goes back in time", record.slot);
  time = record.time;
  if (const auto lost = TraceReader::as<trace::Lost>(record)) {
    threads.lost[record.slot] += lost->count;
  } else if (const auto launch = TraceReader::as<trace::Launched>(record)) {
    if (!threads.names.contains(launch->kernel))
      return fmt::format("kernel {} has no name yet", launch->kernel);
  } else if (const auto fetched = TraceReader::as<trace::Fetched>(record)) {
    const auto [known, first] = threads.next.try_emplace(fetched->range, 0);
    if (first && threads.begins_late) known->second = fetched->offset;
    // Launches are lost too, so that less may be missing than was lost, never more.
    const uint64_t most = known->second + std::exchange(threads.lost[record.slot], 0);
    if (fetched->offset < known->second || fetched->offset > most)
      return fmt::format("thread {}: event {} comes after {}", fetched->range, fetched->offset,
                         known->second);
    known->second = fetched->offset + 1;
  } else {
    return "an event that nobody recorded: " + record.kind->name;
  }
  return "";
}

std::string follow(const fs::path& part, Threads& threads) {
  TraceReader reader(part);
  threads.names.clear();  // each part tells its own
  for (Record record; reader.next(&record);)
    if (std::string wrong = follow(record, threads); !wrong.empty()) return wrong;
  return reader.damaged_blocks() ? "a block is damaged" : "";
}

bool has_whole_head(const fs::path& path) {
  trace::FileHead head;
  std::error_code none;
  const auto size = fs::file_size(path, none);
  return !none &&
         std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&head), sizeof head) &&
         size >= sizeof head + head.head_bytes;
}

std::string what_is_wrong(const std::string& path, uint64_t limit, uint64_t* events) {
  const fs::path older = path + ".old";
  Threads threads;
  threads.begins_late = limit == kSmall;
  std::string wrong;
  try {
    const bool is_turned_over = fs::exists(older);
    if (is_turned_over) wrong = follow(older, threads);
    // Killed while it turned over: the newer part may not have a head yet.
    if (wrong.empty() && (has_whole_head(path) || !is_turned_over)) wrong = follow(path, threads);
  } catch (const std::exception& error) {
    wrong = error.what();
  }
  *events += threads.events;
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  int kills = 100;
  unsigned seed = 1;
  support::Arguments arguments("Kills a program that writes a trace, and reads what it left.");
  arguments.add("--kills", kills, "How often").between(1, 100000);
  arguments.add("--seed", seed, "Of the moments");
  if (!arguments.parse(argc, argv)) return arguments.status();

  std::mt19937 random(seed);
  Duration whole{};
  {
    const support::TemporaryFile file(".trace");
    whole = run_victim(file.path(), kEndless, Duration::max());
  }
  uint64_t events = 0;
  int readable = 0;
  for (int each = 0; each < kills; ++each) {
    const support::TemporaryFile file(".trace");
    const uint64_t limit = each % 2 ? kSmall : kEndless;
    const Duration moment{static_cast<Duration::rep>(
        std::uniform_real_distribution(0.0, 1.0)(random) * static_cast<double>(whole.count()))};
    run_victim(file.path(), limit, moment);
    const std::string wrong = what_is_wrong(file.path(), limit, &events);
    std::error_code ignored;
    fs::remove(file.path() + ".old", ignored);
    readable += wrong.empty();
    if (!wrong.empty()) fmt::print("kill {} after {} us: {}\n", each, moment.count(), wrong);
  }
  fmt::print("kill: {} kills={} readable={} events={}\n", readable == kills ? "PASS" : "FAIL",
             kills, readable, events);
  return readable == kills ? 0 : 1;
}
