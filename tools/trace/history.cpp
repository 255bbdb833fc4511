// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/history.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace spillway::tools {
namespace {

// Changes that are kept back to be sorted. A round of the writer tells of one thread after the
// other, so a change is out of place by at most what all rings hold.
constexpr size_t kWindow = 2 << 20;
// Of a range, moments at most: as many as the time has intervals, and some before it is thinned.
constexpr size_t kMostMoments = 2 * Axis<Interval>::kMost;

constexpr const char* kOther = "(allocations and calls that failed)";
constexpr const char* kCopies = "(copies and sets)";
constexpr const char* kNameless = "(a kernel without a name)";

template <class Names>
// Of an enum's words.
std::string_view word(const Names& names, size_t place) {
  return place < std::size(names) ? names[place] : "other";
}

template <size_t count>
void add_to(std::array<uint64_t, count>& sums, const std::array<uint64_t, count>& more) {
  for (size_t i = 0; i < count; ++i) sums[i] += more[i];
}

Level highest(const Level& a, const Level& b) {
  return {std::max(a.allocated, b.allocated), std::max(a.device, b.device),
          std::max(a.evicted, b.evicted), std::max(a.budget, b.budget)};
}

void add_to(Cost& cost, const Cost& more) {
  cost.stalls += more.stalls;
  cost.ns += more.ns;
  cost.bytes += more.bytes;
}

uint64_t before(uint64_t time, uint64_t took) {
  return time - std::min(time, took);
}

}  // namespace

std::string_view cause_name(size_t cause) {
  return word(trace::names_of(Cause{}), cause);
}
std::string_view stall_name(size_t kind) {
  return word(trace::names_of(trace::StallFor{}), kind);
}

uint64_t Interval::Way::all() const {
  return std::accumulate(bytes.begin(), bytes.end(), uint64_t{0});
}

void Interval::join(const Interval& later) {
  launches += later.launches;
  add_to(out.bytes, later.out.bytes);
  add_to(in.bytes, later.in.bytes);
  out.busy += later.out.busy;
  in.busy += later.in.busy;
  add_to(waited, later.waited);
  add_to(stalls, later.stalls);
  if (!later.changed) return;
  most = changed ? highest(most, later.most) : later.most;
  last = later.last;
  changed = true;
}

void History::add(const TraceReader& reader, const Record& record) {
  if (program.empty()) {
    program = reader.about("program", "?");
    policy = reader.about("policy", "?");
    rank = reader.about("rank", "");
    pid = reader.about("pid");
  }
  first = std::min(first, record.time);
  last = std::max(last, record.time);
  time.at(record.time);
  hand_over(record, *this);
}

void History::finish() {
  apply_oldest(pending_.size());
  for (auto& [slot, cost] : waiting_) add_to(kernels[kOther].waited, cost);  // and no launch
  waiting_.clear();
  Level level;
  for (Interval& interval : time.cells()) {
    interval.most = highest(interval.changed ? interval.most : level, level);
    if (interval.changed)
      level = interval.last;
    else
      interval.last = level;
    interval.changed = true;
  }
}

void History::on(const trace::Named& named, const Record&) {
  if (named.what == trace::NameOf::Kernel) names_[named.name] = &kernels[std::string(named.text)];
  if (named.what == trace::NameOf::Site) places_[named.name] = &sites[std::string(named.text)];
}

void History::on(const trace::Budget& told, const Record& record) {
  host_budget = told.host;
  change({record.time, Change::What::Budget, 0, told.device, 0, told.bytes, 0});
}

void History::on(const trace::Allocated& made, const Record& record) {
  allocations++;
  change({record.time, Change::What::Made, 0, made.range, 0, made.bytes, 0});
}

void History::on(const trace::Freed& freed, const Record& record) {
  frees++;
  change({record.time, Change::What::Freed, 0, freed.range, 0, 0, 0});
}

void History::on(const trace::Evicted& move, const Record& record) {
  change({record.time, Change::What::Out, static_cast<size_t>(move.cause), move.range, move.offset,
          move.bytes, move.took});
}

void History::on(const trace::Fetched& move, const Record& record) {
  change({record.time, Change::What::In, static_cast<size_t>(move.cause), move.range, move.offset,
          move.bytes, move.took});
}

Kernel& History::kernel_named(uint64_t number) {
  const auto known = names_.find(number);
  return known == names_.end() ? kernels[kNameless] : *known->second;
}

// What the slot has waited for turns out to be for this.
void History::charge(uint64_t slot, Kernel& kernel, uint64_t site) {
  const auto cost = waiting_.find(slot);
  if (cost == waiting_.end()) return;
  add_to(kernel.waited, cost->second);
  const auto place = places_.find(site);
  if (place != places_.end()) add_to(place->second->waited, cost->second);
  waiting_.erase(cost);
}

void History::on(const trace::Launched& launch, const Record& record) {
  launches++;
  time.at(record.time).launches++;
  Kernel& kernel = kernel_named(launch.kernel);
  kernel.launches++;
  charge(record.slot, kernel, launch.site);
  for (const uint64_t range : launch.ranges) ranges[range].launches++;
  Thread& thread = threads[record.slot];
  thread.launches++;
  if (marks_++ < kMostMarks) thread.marks.push_back({record.time, thread.waited, &kernel});
}

void History::on(const trace::GraphLaunched& launch, const Record& record) {
  charge(record.slot, kernels[fmt::format("(graph {:#x})", launch.graph)]);
  for (const uint64_t range : launch.ranges) ranges[range].launches++;
}

void History::on(const trace::Copied&, const Record& record) {
  charge(record.slot, kernels[kCopies]);
}

void History::on(const trace::Stalled& stall, const Record& record) {
  const Cost cost{1, stall.took, stall.bytes};
  const auto kind = static_cast<size_t>(stall.what);
  threads[record.slot].waited += stall.took;
  add_to(waited, cost);
  add_to(stalls[kind], cost);
  time.at(record.time).stalls[kind]++;
  time.spread(before(record.time, stall.took), record.time,
              [&](Interval& interval, uint64_t ns) { interval.waited[kind] += ns; });
  for (const uint64_t range : stall.ranges) add_to(ranges[range].waited, cost);
  // Nothing was launched after the one before; and room is waited for by allocations, too.
  if (waiting_.contains(record.slot)) charge(record.slot, kernels[kOther]);
  if (stall.what == trace::StallFor::Data)
    waiting_[record.slot] = cost;
  else
    add_to(kernels[kOther].waited, cost);
}

void History::on(const trace::Lost& some, const Record&) {
  lost += some.count;
}

void History::change(const Change& change) {
  pending_.push_back(change);
  if (pending_.size() == kWindow) apply_oldest(kWindow / 2);
}

void History::apply_oldest(size_t count) {
  std::ranges::stable_sort(pending_, {}, &Change::time);
  for (size_t i = 0; i < count; ++i) apply(pending_[i]);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
}

void History::apply(const Change& change) {
  const auto end = [&](Life& life) {
    now_.allocated -= life.bytes;
    now_.evicted -= std::min(life.away, life.bytes);
    life.state = Life::State::Dead;
    life.died = change.time;
  };
  switch (change.what) {
    case Change::What::Budget:
      budget += change.bytes - std::exchange(budgets_[change.range], change.bytes);
      break;
    case Change::What::Made: {
      Life& life = ranges[change.range];
      if (life.state == Life::State::Alive) end(life);  // the file is wrong, the sum shall not be
      life.state = Life::State::Alive;
      life.inherited = false;
      life.bytes = change.bytes;
      life.born = change.time;
      life.away = 0;
      now_.allocated += life.bytes;
      break;
    }
    case Change::What::Freed: {
      const auto known = ranges.find(change.range);
      if (known == ranges.end() || known->second.state != Life::State::Alive) return;
      end(known->second);
      break;
    }
    case Change::What::Out:
      apply_move(change, true);
      break;
    case Change::What::In:
      apply_move(change, false);
      break;
  }
  note(change);
}

void History::apply_move(const Change& change, bool out) {
  Direction& direction = out ? this->out : in;
  direction.moves++;
  direction.bytes += change.bytes;
  direction.by_cause[change.cause] += change.bytes;
  const auto way = [&](Interval& interval) -> Interval::Way& {
    return out ? interval.out : interval.in;
  };
  // Over the time it took; what division leaves, at its end.
  uint64_t told = 0;
  const uint64_t from = std::max(before(change.time, change.took), time.start());
  time.spread(from, change.time, [&](Interval& interval, uint64_t ns) {
    const auto bytes = static_cast<uint64_t>(static_cast<unsigned __int128>(change.bytes) * ns /
                                             (change.time - from));
    way(interval).bytes[change.cause] += bytes;
    told += bytes;
  });
  way(time.at(change.time)).bytes[change.cause] += change.bytes - told;
  (out ? covered_out_ : covered_in_).add(from, change.time, [&](uint64_t begin, uint64_t end) {
    direction.busy += end - begin;
    time.spread(begin, end, [&](Interval& interval, uint64_t ns) { way(interval).busy += ns; });
  });

  Life& life = ranges[change.range];
  life.moves++;
  (out ? life.moved_out : life.moved_in) += change.bytes;
  // 0: a granule whose owners are gone.
  if (!change.range || life.state == Life::State::Dead) return;
  if (life.state == Life::State::Unknown) {  // made in a part of the trace that is gone
    life.state = Life::State::Alive;
    life.inherited = true;
    inherited++;
  }
  now_.evicted -= std::min(life.away, life.bytes);
  const uint64_t seen = change.offset + change.bytes;
  if (life.inherited && seen > life.bytes) {  // as large as what is seen of it
    now_.allocated += seen - life.bytes;
    life.bytes = seen;
  }
  life.away = out ? life.away + change.bytes : life.away - std::min(life.away, change.bytes);
  now_.evicted += std::min(life.away, life.bytes);
  remember(life, change.time);
}

void History::note(const Change& change) {
  peak = std::max(peak, now_.allocated);
  now_.device = now_.allocated - std::min(now_.allocated, now_.evicted);
  now_.budget = budget;
  Interval& interval = time.at(change.time);
  interval.most = interval.changed ? highest(interval.most, now_) : now_;
  interval.last = now_;
  interval.changed = true;
}

// One moment for each interval of time is enough for a picture.
void History::remember(Life& life, uint64_t now) {
  const auto interval = [&](uint64_t time_) { return (time_ - time.start()) / time.width(); };
  if (!life.moments.empty() && interval(life.moments.back().time) == interval(now)) {
    life.moments.back() = {now, life.away};
    return;
  }
  life.moments.push_back({now, life.away});
  if (life.moments.size() <= kMostMoments) return;
  size_t kept = 0;  // intervals have grown since most of them were noted
  for (size_t i = 1; i < life.moments.size(); ++i) {
    kept += interval(life.moments[kept].time) != interval(life.moments[i].time);
    life.moments[kept] = life.moments[i];
  }
  life.moments.resize(kept + 1);
}

}  // namespace spillway::tools
