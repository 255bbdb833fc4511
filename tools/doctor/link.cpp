// SPDX-License-Identifier: Apache-2.0
// How fast bytes cross the link: pinned copies in, out and both at once, timed by the GPU.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "runtime/bytes.h"
#include "tools/doctor/doctor.h"
#include "tools/doctor/driver.h"

namespace spillway::tools {
namespace {

// On the fastest links 64 MiB take 0.2 ms, a hundred times what starting a copy takes.
constexpr size_t kMostBytes = 64 << 20, kLeastBytes = 1 << 20;
constexpr int kTimes = 5;
constexpr double kSlow = 10;  // GB/s; less than any PCIe 3.0 x16 or newer

// Device and pinned host memory for each direction; all or nothing.
class Buffers {
 public:
  explicit Buffers(size_t size) : bytes(size) {
    try {
      for (Pair& pair : pairs_) {
        cu().cuMemAlloc_v2(&pair.device, bytes);
        cu().cuMemHostAlloc(&pair.host, bytes, CU_MEMHOSTALLOC_PORTABLE);
      }
      for (CUstream& stream : streams) cu().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
      for (CUevent& event : events) cu().cuEventCreate(&event, CU_EVENT_DEFAULT);
    } catch (const Failed&) {
      give_back();
      throw;
    }
  }
  ~Buffers() { give_back(); }
  Buffers(const Buffers&) = delete;

  void in(CUstream stream) const {
    cu().cuMemcpyHtoDAsync_v2(pairs_[0].device, pairs_[0].host, bytes, stream);
  }
  void out(CUstream stream) const {
    cu().cuMemcpyDtoHAsync_v2(pairs_[1].host, pairs_[1].device, bytes, stream);
  }

  const size_t bytes;
  CUstream streams[2] = {};
  CUevent events[3] = {};  // begin, end of the second stream, end

 private:
  struct Pair {
    CUdeviceptr device = 0;
    void* host = nullptr;
  };
  void give_back() {
    for (const CUstream stream : streams)
      if (stream) cu().cuStreamSynchronize.attempt(stream), cu().cuStreamDestroy_v2.attempt(stream);
    for (const CUevent event : events)
      if (event) cu().cuEventDestroy_v2.attempt(event);
    for (const Pair& pair : pairs_) {
      if (pair.device) cu().cuMemFree_v2.attempt(pair.device);
      if (pair.host) cu().cuMemFreeHost.attempt(pair.host);
    }
  }
  Pair pairs_[2];
};

struct Direction {
  const char* name;
  bool in, out;
};
constexpr Direction kDirections[] = {
    {"in", true, false}, {"out", false, true}, {"both", true, true}};

// GB/s of one run, both directions counted.
double rate(const Buffers& buffers, const Direction& direction) {
  const auto [first, second] = buffers.streams;
  const auto [begin, other, end] = buffers.events;
  cu().cuEventRecord(begin, first);
  if (direction.in) buffers.in(first);
  if (direction.out) {
    cu().cuStreamWaitEvent(second, begin, 0);
    buffers.out(second);
    cu().cuEventRecord(other, second);
    cu().cuStreamWaitEvent(first, other, 0);
  }
  cu().cuEventRecord(end, first);
  cu().cuStreamSynchronize(first);
  float ms = 0;
  cu().cuEventElapsedTime(&ms, begin, end);
  const double bytes = static_cast<double>(buffers.bytes) * (direction.in + direction.out);
  return ms > 0 ? bytes / static_cast<double>(ms) / 1e6 : 0;
}

double median_rate(const Buffers& buffers, const Direction& direction) {
  rate(buffers, direction);  // the first touches everything for the first time
  std::vector<double> rates;
  for (int i = 0; i < kTimes; ++i) rates.push_back(rate(buffers, direction));
  std::ranges::nth_element(rates, rates.begin() + kTimes / 2);
  return rates[kTimes / 2];
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

int number_of(const Gpu& gpu, const char* file) {
  int value = 0;
  if (!gpu.bus_id.empty())
    std::ifstream("/sys/bus/pci/devices/" + lower(gpu.bus_id) + "/" + file) >> value;
  return value;
}

std::string seconds(double seconds) {
  return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

}  // namespace

Row link_row(const Gpu& gpu, const Listener& listener) {
  Row row{.topic = "link", .device = gpu.device};
  double rates[3] = {};
  size_t bytes = kMostBytes;
  try {
    std::unique_ptr<Buffers> buffers;
    while (!buffers) {
      try {
        buffers = std::make_unique<Buffers>(bytes);
      } catch (const Failed& failed) {
        if (failed.result() != CUDA_ERROR_OUT_OF_MEMORY || (bytes /= 2) < kLeastBytes) throw;
      }
    }
    for (size_t i = 0; i < std::size(kDirections); ++i) {
      listener.at(fmt::format("copying {} of device {}", kDirections[i].name, gpu.device));
      rates[i] = median_rate(*buffers, kDirections[i]);
      if (rates[i] <= 0) throw Failed(cu().cuEventElapsedTime.name, CUDA_ERROR_UNKNOWN);
    }
  } catch (const Failed& failed) {
    row.health = Health::Warn;
    row.text = "not measured: " + failed.text();
    row.advice = failed.result() == CUDA_ERROR_OUT_OF_MEMORY
                     ? "the device or the host has no room for a few megabytes of pinned memory; "
                       "look at the memory rows"
                     : "copies between pinned memory and the device fail; `dmesg` may say more";
    return row;
  }
  const auto [in, out, both] = rates;
  const double gib = static_cast<double>(uint64_t{1} << 30) / 1e9;
  const double budget = static_cast<double>(gpu.budget) / 1e9;
  row.text = fmt::format(
      "{:.1f} GB/s in, {:.1f} out, {:.1f} both at once: 1 GiB takes {} to come back, the whole "
      "budget {}",
      in, out, both, seconds(gib / in), seconds(budget / in));
  const int width = number_of(gpu, "current_link_width"), most = number_of(gpu, "max_link_width");
  row.facts = {{"in_gb_s", in},  {"out_gb_s", out},     {"both_gb_s", both},
               {"bytes", bytes}, {"pcie_width", width}, {"pcie_width_possible", most}};
  if (width > 0 && width < most) {
    row.health = Health::Warn;
    row.text += fmt::format("; PCIe has {} of {} lanes", width, most);
    row.advice = "the card is in a narrow slot or badly seated: everything that moves is slower";
  } else if (std::min(in, out) < kSlow) {
    row.health = Health::Warn;
    row.advice = "this is slow: expect to wait for what moves; keep the budget near what is used";
  } else if (both < 1.2 * std::max(in, out)) {
    row.health = Health::Warn;
    row.advice = "the directions hinder each other here: data that leaves slows what comes back";
  }
  return row;
}

}  // namespace spillway::tools
