// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/report/data.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/trace/iterations.h"
#include "tools/trace/report/verdict.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLongestName = 400;  // of a kernel or a program

// Three digits more than a picture can show.
double rounded(double value, double step) {
  return std::round(value / step) * step;
}

Json seconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

std::string cut(std::string text) {
  if (text.size() > kLongestName) text = text.substr(0, kLongestName) + "…";
  return text;
}

// One list for each place of an array in the rows, by name; those of zeros are left out.
template <class Names, class Of>
Json lists(size_t count, Names names, const auto& rows, Of of) {
  Json all = Json::object();
  for (size_t place = 0; place < count; ++place) {
    Json list = Json::array();
    bool any = false;
    for (const auto& row : rows) {
      list.push_back(of(row.cell)[place]);
      any |= of(row.cell)[place] != 0;
    }
    if (any) all[std::string(names(place))] = std::move(list);
  }
  return all;
}

Json over_time(const History& history, uint64_t origin, size_t points) {
  const auto rows = history.time.rows(points);
  Json from = Json::array(), allocated = Json::array(), device = Json::array(),
       budget = Json::array(), out_busy = Json::array(), in_busy = Json::array();
  for (const auto& row : rows) {
    from.push_back(seconds(row.from - origin));
    allocated.push_back(row.cell.most.allocated);
    device.push_back(row.cell.most.device);
    budget.push_back(row.cell.most.budget);
    const auto share = [&](uint64_t ns) {
      return rounded(static_cast<double>(ns) / static_cast<double>(row.to - row.from), 1e-3);
    };
    out_busy.push_back(share(row.cell.out.busy));
    in_busy.push_back(share(row.cell.in.busy));
  }
  return {{"from", from},
          {"end", rows.empty() ? Json(0) : seconds(rows.back().to - origin)},
          {"allocated", allocated},
          {"device", device},
          {"budget", budget},
          {"out", lists(kCauses, cause_name, rows, [](auto& cell) { return cell.out.bytes; })},
          {"in", lists(kCauses, cause_name, rows, [](auto& cell) { return cell.in.bytes; })},
          {"waited", lists(kStallKinds, stall_name, rows, [](auto& cell) { return cell.waited; })},
          {"out_busy", out_busy},
          {"in_busy", in_busy}};
}

// Where a range was, as [from, to, state]; of several states within a column of the picture, the
// one that holds most of it.
enum State : int { OnDevice, Partly, Evicted };

Json life_line(const Life& life, const History& history, uint64_t origin, size_t columns) {
  const uint64_t begin = std::max(life.inherited ? 0 : life.born, history.time.start());
  const uint64_t end = std::max(begin, life.state == Life::State::Dead ? life.died : history.last);
  const uint64_t step = std::max<uint64_t>(1, history.duration() / std::max<size_t>(columns, 1));
  Json line = Json::array();
  uint64_t away = 0, drawn = begin;
  int state = -1;
  const auto draw = [&](uint64_t to, int next) {
    if (next == state && !line.empty())
      line.back()[1] = seconds(to - origin);
    else if (to > drawn)
      line.push_back({seconds(drawn - origin), seconds(to - origin), next});
    state = next;
    drawn = to;
  };
  auto moment = life.moments.begin();
  for (uint64_t from = begin; from < end;) {
    const uint64_t to = end - from > step ? from + step : end;
    double evicted = 0;  // bytes times ns
    for (uint64_t at = from; at < to;) {
      while (moment != life.moments.end() && moment->time <= at) away = (moment++)->away;
      const uint64_t next = moment != life.moments.end() && moment->time < to ? moment->time : to;
      evicted += static_cast<double>(std::min(away, life.bytes)) * static_cast<double>(next - at);
      at = next;
    }
    const double share =
        life.bytes ? evicted / (static_cast<double>(life.bytes) * static_cast<double>(to - from))
                   : 0;
    draw(to, share < 1.0 / 3 ? OnDevice : share > 2.0 / 3 ? Evicted : Partly);
    from = to;
  }
  return line;
}

Json ranges_of(const History& history, uint64_t origin, const Detail& detail) {
  // Those that moved most; and, if few did, the largest.
  auto chosen = dearest(history.ranges, detail.ranges,
                        [](const Life& life) { return life.moved_out + life.moved_in; });
  if (chosen.empty())
    chosen = dearest(history.ranges, detail.ranges, [](const Life& life) { return life.bytes; });
  Json list = Json::array();
  for (const auto* each : chosen) {
    const auto& [id, life] = *each;
    list.push_back({{"range", id},
                    {"bytes", life.bytes},
                    {"out", life.moved_out},
                    {"in", life.moved_in},
                    {"moves", life.moves},
                    {"launches", life.launches},
                    {"waited", seconds(life.waited.ns)},
                    {"line", life_line(life, history, origin, detail.points / 2)}});
  }
  return list;
}

Json kernels_of(const History& history, const Detail& detail) {
  auto chosen =
      dearest(history.kernels, detail.kernels, [](const Kernel& each) { return each.waited.ns; });
  const bool waited = !chosen.empty();
  if (!waited)
    chosen =
        dearest(history.kernels, detail.kernels, [](const Kernel& each) { return each.launches; });
  Json list = Json::array();
  for (const auto* each : chosen) {
    const auto& [name, kernel] = *each;
    list.push_back({{"name", cut(readable(name))},
                    {"launches", kernel.launches},
                    {"waited", seconds(kernel.waited.ns)},
                    {"stalls", kernel.waited.stalls},
                    {"bytes", kernel.waited.bytes}});
  }
  return list;
}

Json link_of(const Direction& direction, uint64_t duration) {
  Json causes = Json::object();
  for (size_t cause = 0; cause < kCauses; ++cause)
    if (const uint64_t bytes = direction.by_cause[cause])
      causes[std::string(cause_name(cause))] = bytes;
  const auto busy = static_cast<double>(direction.busy);
  return {{"moves", direction.moves},
          {"bytes", direction.bytes},
          {"causes", causes},
          {"busy", duration ? busy / static_cast<double>(duration) : 0},
          {"rate", direction.busy ? static_cast<double>(direction.bytes) * 1e9 / busy : 0}};
}

// Many are drawn as means of neighbours.
Json repetitions(const History& history, uint64_t origin, size_t points) {
  const std::vector<Iteration> all = iterations_of(history);
  Json shown = Json::array();
  const size_t count = std::min(all.size(), points);
  std::vector<uint64_t> times;
  for (size_t i = 0; i < count; ++i) {
    const size_t first = i * all.size() / count, end = (i + 1) * all.size() / count;
    uint64_t took = 0, waited = 0;
    for (size_t each = first; each < end; ++each) {
      took += all[each].end - std::min(all[each].begin, all[each].end);
      waited += all[each].waited;
    }
    shown.push_back({{"number", first + 1},
                     {"from", seconds(all[first].begin - std::min(origin, all[first].begin))},
                     {"seconds", seconds(took / (end - first))},
                     {"waited", seconds(waited / (end - first))}});
  }
  uint64_t usual = 0, launches = 0;
  for (const Iteration& each : all) {
    if (!each.usual) continue;
    usual++;
    launches = each.launches;
    times.push_back(each.end - std::min(each.begin, each.end));
  }
  std::ranges::sort(times);
  const auto part = [&](double share) {
    return times.empty()
               ? Json(0)
               : seconds(times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))]);
  };
  return {{"count", all.size()}, {"alike", usual},  {"launches", launches}, {"least", part(0)},
          {"median", part(0.5)}, {"most", part(1)}, {"shown", shown}};
}

Json stalls_of(const History& history) {
  Json list = Json::array();
  for (size_t kind = 0; kind < kStallKinds; ++kind)
    if (const Cost& cost = history.stalls[kind]; cost.stalls)
      list.push_back({{"what", std::string(stall_name(kind))},
                      {"stalls", cost.stalls},
                      {"waited", seconds(cost.ns)}});
  return list;
}

Json process(const std::string& file, const std::string& name, const History& history,
             uint64_t origin, const Detail& detail) {
  return {{"file", cut(file)},
          {"name", cut(name)},
          {"program", cut(short_program(history))},
          {"policy", cut(history.policy)},
          {"headline", headline_of(history)},
          {"findings", findings_of(history)},
          {"seconds", seconds(history.duration())},
          {"peak", history.peak},
          {"budget", history.budget},
          {"host", history.host_budget},
          {"launches", history.launches},
          {"allocations", history.allocations},
          {"waited", seconds(history.waited.ns)},
          {"stalls", stalls_of(history)},
          {"link",
           {{"in", link_of(history.in, history.duration())},
            {"out", link_of(history.out, history.duration())}}},
          {"time", over_time(history, origin, detail.points)},
          {"iterations", repetitions(history, origin, detail.points / 2)},
          {"ranges", ranges_of(history, origin, detail)},
          {"kernels", kernels_of(history, detail)}};
}

// Processes of one run are drawn on one clock. Files of different runs, or of machines whose clocks
// have nothing to do with each other, each begin at 0.
bool at_one_time(const std::vector<History>& histories) {
  uint64_t latest_start = 0, earliest_end = ~uint64_t{0};
  for (const History& history : histories) {
    if (history.time.empty()) continue;
    latest_start = std::max(latest_start, history.time.start());
    earliest_end = std::min(earliest_end, history.last);
  }
  return latest_start <= earliest_end;
}

}  // namespace

Json report_data(const std::vector<std::string>& files, const std::vector<History>& histories,
                 const Detail& detail) {
  uint64_t common = ~uint64_t{0};
  for (const History& history : histories)
    if (!history.time.empty()) common = std::min(common, history.time.start());
  const bool together = at_one_time(histories);
  const std::vector<std::string> names = names_of(histories);
  Json processes = Json::array();
  for (size_t i = 0; i < histories.size(); ++i) {
    const History& history = histories[i];
    processes.push_back(
        process(files[i], names[i], history,
                together ? std::min(common, history.time.start()) : history.time.start(), detail));
  }
  return {{"headline", headline_of(histories)}, {"processes", std::move(processes)}};
}

}  // namespace spillway::tools
