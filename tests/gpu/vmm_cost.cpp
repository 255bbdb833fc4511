// SPDX-License-Identifier: Apache-2.0
// What the VMM calls cost, alone and under three kinds of load.
#include <fmt/format.h>

#include <map>

#include "tests/gpu/load.h"
#include "tests/gpu/probe.h"

namespace probe {
namespace {

struct SizeRow {
  size_t bytes;
  int fresh;   // handles created and released
  int remaps;  // unmap + map + set access between two standing handles
};
constexpr SizeRow kSizes[] = {
    {2 * kMiB, 30, 200}, {20 * kMiB, 20, 100}, {32 * kMiB, 20, 100},
    {64 * kMiB, 10, 80}, {256 * kMiB, 5, 40},  {kGiB, 3, 20},
};
// Pinning may take up to a second per GiB.
constexpr int kFreshHost = 2;

std::vector<Place> places_that_work(const Gpu& gpu, Report& report) {
  std::vector<Place> works;
  for (Place place : kPlaces) {
    bool ok = gpu.supports(place);
    report.fact(fmt::format("{}_works", name_of(place)), ok);
    if (ok) works.push_back(place);
  }
  if (works.empty()) throw CudaError("cuMemCreate", CUDA_ERROR_NOT_SUPPORTED);
  return works;
}

// Every call by itself, with new handles.
void measure_fresh(const Gpu& gpu, Report& report, Place place, size_t bytes, int count,
                   const json& where) {
  CUmemAllocationProp properties = gpu.properties(place);
  CUmemAccessDesc access = gpu.access();
  std::map<std::string, std::vector<double>> times;
  for (int i = 0; i < count; ++i) {
    CUdeviceptr va = 0;
    CUmemGenericAllocationHandle handle = 0;
    auto call = [&](const auto& entry, auto... arguments) {
      times[entry.name()].push_back(timed_us([&] { entry(arguments...); }));
    };
    call(cu().cuMemAddressReserve, &va, bytes, 2 * kMiB, CUdeviceptr{0}, 0ull);
    call(cu().cuMemCreate, &handle, bytes, &properties, 0ull);
    call(cu().cuMemMap, va, bytes, size_t{0}, handle, 0ull);
    call(cu().cuMemSetAccess, va, bytes, &access, size_t{1});
    call(cu().cuMemUnmap, va, bytes);
    call(cu().cuMemRelease, handle);
    call(cu().cuMemAddressFree, va, bytes);
  }
  for (auto& [name, values] : times) report.sample(name.c_str(), "us", std::move(values), where);
}

// What a move costs: the three calls between two handles that stay. Returns the median.
double measure_remap(const Gpu& gpu, Report& report, Place from, Place to, size_t bytes, int count,
                     json where) {
  Chunk first(gpu, from, bytes), second(gpu, to, bytes);
  Range range(bytes);
  range.map(gpu, first, bytes);
  std::vector<double> times;
  for (int i = 0; i < count; ++i)
    times.push_back(timed_us([&] {
      range.unmap(bytes);
      range.map(gpu, i % 2 ? first : second, bytes);
    }));
  where["to"] = name_of(to);
  return report.sample("remap", "us", std::move(times), where).median;
}

// Median of a remap from device to the last place, in microseconds, by bytes.
using Costs = std::vector<std::pair<size_t, double>>;

// One load, all sizes and places.
Costs measure(const Gpu& gpu, Report& report, const char* load, const std::vector<Place>& places) {
  Costs costs;
  for (const SizeRow& row : kSizes) {
    size_t bytes = gpu.bytes(row.bytes);
    for (Place place : places) {
      json where{{"bytes", bytes}, {"memory", name_of(place)}, {"load", load}};
      int fresh = place == Place::Device ? row.fresh : std::min(row.fresh, kFreshHost);
      measure_fresh(gpu, report, place, bytes, gpu.repeats(fresh), where);
      double remap =
          measure_remap(gpu, report, Place::Device, place, bytes, gpu.repeats(row.remaps), where);
      if (place == places.back()) costs.emplace_back(bytes, remap);
    }
    if (gpu.small() && row.bytes > gpu.bytes(row.bytes)) break;  // the rest would be the same size
  }
  return costs;
}

// Host memory is pinned when it is created, for a GiB as long as all remaps of this file together:
// under load one kind of it is enough.
std::vector<Place> places_under_load(const Gpu& gpu, Report& report) {
  std::vector<Place> works = places_that_work(gpu, report);
  if (works.size() > 2) works.resize(2);
  return works;
}

std::string remap_text(const Costs& costs) {
  std::string text = "a remap (unmap + map + set access) takes";
  for (size_t i = 0; i < costs.size(); ++i)
    text +=
        fmt::format("{} {:.0f} us at {} MiB", i ? "," : "", costs[i].second, costs[i].first / kMiB);
  return text;
}

}  // namespace

Verdict vmm_idle(Gpu& gpu, Report& report) {
  Costs costs = measure(gpu, report, "idle", places_that_work(gpu, report));
  return {remap_text(costs),
          costs.back().second > 4 * costs.front().second
              ? "Cost grows with bytes as well: compare the sizes before choosing that of a piece."
              : "Cost is per handle and hardly grows with bytes: large handles are right."};
}

Verdict vmm_under_kernel(Gpu& gpu, Report& report) {
  std::vector<Place> places = places_under_load(gpu, report);
  LongKernel kernel(gpu);
  Costs costs = measure(gpu, report, "kernel", places);
  bool still_running = kernel.running();
  report.fact("kernel_still_running", still_running);
  if (CUresult ended = kernel.stop(); ended != CUDA_SUCCESS)
    throw CudaError("the kernel beside the VMM calls", ended);
  return {
      remap_text(costs) + (still_running ? "; no call waited for the kernel"
                                         : "; the kernel ended meanwhile: calls may have waited"),
      still_running ? "The mover may remap while unrelated kernels run."
                    : "A VMM call may wait for unrelated kernels: remap only between launches, or "
                      "look at the maxima before trusting a mover thread."};
}

Verdict vmm_under_graphs(Gpu& gpu, Report& report) {
  std::vector<Place> places = places_under_load(gpu, report);
  constexpr int kNodes = 32;
  auto alone_for = std::chrono::milliseconds(gpu.small() ? 50 : 1000);
  GraphReplays alone(gpu, kNodes);
  std::this_thread::sleep_for(alone_for);
  Summary before = report.sample("graph_replay", "us", alone.stop(), {{"load", "idle"}});
  GraphReplays beside(gpu, kNodes);
  Costs costs = measure(gpu, report, "graphs", places);
  Summary during = report.sample("graph_replay", "us", beside.stop(), {{"load", "remaps"}});
  double slower = 100 * (during.median / before.median - 1);
  return {
      fmt::format("{}; replay of {} kernels: median {:.1f} -> {:.1f} us ({:+.1f} %), p99 {:.1f} -> "
                  "{:.1f} us",
                  remap_text(costs), kNodes, before.median, during.median, slower, before.p99,
                  during.p99),
      slower < 5 ? "Remapping beside graph replay is free enough for a mover thread."
                 : "Remapping slows graph replay: let the planner place moves between replays."};
}

Verdict vmm_under_launches(Gpu& gpu, Report& report) {
  std::vector<Place> places = places_under_load(gpu, report);
  LaunchStorm alone(gpu);
  std::this_thread::sleep_for(std::chrono::milliseconds(gpu.small() ? 50 : 1000));
  Summary before = report.sample("launch", "us", alone.stop(), {{"load", "idle"}});
  LaunchStorm beside(gpu);
  Costs costs = measure(gpu, report, "launches", places);
  Summary during = report.sample("launch", "us", beside.stop(), {{"load", "remaps"}});
  return {fmt::format(
              "launch p50 {:.2f} -> {:.2f} us, p99 {:.2f} -> {:.2f} us, max {:.0f} -> {:.0f} us "
              "while another thread remaps; {}",
              before.median, during.median, before.p99, during.p99, before.max, during.max,
              remap_text(costs)),
          during.p99 < 4 * before.p99
              ? "VMM calls and launches contend little: the mover needs no pacing."
              : "VMM calls hold up launches: pace the mover and prefer few, large handles."};
}

}  // namespace probe
