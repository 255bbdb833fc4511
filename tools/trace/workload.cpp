// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/workload.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "tools/trace/iterations.h"

namespace spillway::tools {
namespace {

using policy::Mode;

// Two arguments may name one allocation.
void add_use(std::vector<policy::Use>& uses, policy::Use use) {
  const auto same = std::ranges::find(uses, use.buffer, &policy::Use::buffer);
  if (same == uses.end())
    uses.push_back(use);
  else if (same->mode != use.mode)
    same->mode = Mode::ReadWrite;
}

// When iterations begin, and when the last of them ends.
std::set<uint64_t> marks_of(const History& history) {
  std::set<uint64_t> marks;
  for (const Iteration& iteration : iterations_of(history)) {
    marks.insert(iteration.begin);
    marks.insert(iteration.end);
  }
  return marks;
}

}  // namespace

void WorkloadReader::add(const TraceReader& reader, const Record& record) {
  history_.add(reader, record);
  hand_over(record, *this);
}

uint32_t WorkloadReader::name(std::string_view text) {
  const auto [known, fresh] = by_name_.try_emplace(std::string(text), names_.size());
  if (fresh) names_.emplace_back(text);
  return known->second;
}

void WorkloadReader::on(const trace::Named& named, const Record&) {
  if (named.what == trace::NameOf::Kernel) numbers_[named.name] = name(named.text);
}

void WorkloadReader::on(const trace::Allocated& made, const Record& record) {
  if (full()) return;
  happened_.push_back({.what = Happened::What::Made,
                       .time = record.time,
                       .range = made.range,
                       .bytes = made.bytes});
}

void WorkloadReader::on(const trace::Freed& freed, const Record& record) {
  if (full()) return;
  happened_.push_back({.what = Happened::What::Freed, .time = record.time, .range = freed.range});
}

void WorkloadReader::use(Happened::What what, uint32_t name, std::span<const uint64_t> ranges,
                         const Record& record) {
  if (full()) return;
  if (what == Happened::What::Launched) {
    Thread& thread = threads_[record.slot];
    if (thread.latest) {
      Happened& before = happened_[thread.latest - 1];
      const uint64_t between = record.time - std::min(record.time, before.time);
      before.until_next = between - std::min(between, thread.waited);
    }
    thread = {happened_.size() + 1, 0};
  }
  happened_.push_back({.what = what,
                       .name = name,
                       .time = record.time,
                       .first = ranges_.size(),
                       .count = ranges.size()});
  ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
}

void WorkloadReader::on(const trace::Launched& launch, const Record& record) {
  const auto known = numbers_.find(launch.kernel);
  use(Happened::What::Launched, known == numbers_.end() ? name(kNameless) : known->second,
      launch.ranges, record);
}

void WorkloadReader::on(const trace::GraphLaunched& launch, const Record& record) {
  use(Happened::What::Launched, name(kGraph), launch.ranges, record);
}

void WorkloadReader::on(const trace::Copied& copy, const Record& record) {
  use(Happened::What::Copied, name(kCopy), copy.ranges, record);
}

void WorkloadReader::on(const trace::Stalled& stall, const Record& record) {
  threads_[record.slot].waited += stall.took;
}

policy::Workload WorkloadReader::take(const KernelFacts& facts) {
  history_.finish();
  const std::set<uint64_t> marks = marks_of(history_);
  // Threads tell of themselves one after the other.
  std::ranges::stable_sort(happened_, {}, &Happened::time);
  policy::WorkloadWriter writer(std::filesystem::path(history_.program).filename().string());
  std::unordered_map<uint64_t, uint32_t> buffers;  // by range
  std::vector<policy::Use> uses;
  auto mark = marks.begin();
  for (const Happened& event : happened_) {
    switch (event.what) {
      case Happened::What::Made:
        buffers[event.range] = writer.allocate(event.bytes);
        continue;
      case Happened::What::Freed:
        if (const auto found = buffers.find(event.range); found != buffers.end()) {
          writer.free(found->second);
          buffers.erase(found);
        }
        continue;
      case Happened::What::Launched:
        if (mark != marks.end() && *mark == event.time) {
          writer.iteration();
          ++mark;
        }
        break;
      case Happened::What::Copied:
        break;
    }
    const std::string& kernel = names_[event.name];
    uses.clear();
    for (size_t place = 0; place < event.count; ++place) {
      const auto found = buffers.find(ranges_[event.first + place]);
      if (found == buffers.end()) continue;
      add_use(uses, {found->second,
                     facts.mode ? facts.mode(kernel, place, event.count) : Mode::ReadWrite});
    }
    const bool runs = event.what == Happened::What::Launched;
    writer.kernel(kernel, !runs ? 0 : facts.ns ? facts.ns(kernel) : event.until_next, uses);
  }
  return writer.take();
}

}  // namespace spillway::tools
