// SPDX-License-Identifier: Apache-2.0
// Kinds of host memory, whether they work here, and what they cost to create.
#include "tests/gpu/host_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/gpu/probe.h"

namespace probe {

const char* name_of(HostKind kind) {
  switch (kind) {
    case HostKind::VmmNuma:
      return "vmm_host_numa";
    case HostKind::Vmm:
      return "vmm_host";
    case HostKind::HostAlloc:
      return "cuMemHostAlloc";
    case HostKind::Registered:
      return "registered";
    case HostKind::Pageable:
      return "pageable";
  }
  __builtin_unreachable();
}

namespace {

void* touched_pages(size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::runtime_error("mmap: out of host memory");
  std::memset(pages, 1, bytes);
  return pages;
}

std::string line_of(const char* file, const char* key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return line;
  return "";
}

uint64_t available_bytes() {
  std::istringstream line(line_of("/proc/meminfo", "MemAvailable:"));
  std::string key;
  uint64_t kib = 0;
  line >> key >> kib;
  return kib * 1024;
}

// What limits pinning from outside: facts to read beside a failure.
void report_surroundings(Report& report) {
  report.fact("mem_available", available_bytes());
  std::ifstream cgroup("/sys/fs/cgroup/memory.max");
  std::string limit = "none";
  if (cgroup) std::getline(cgroup, limit);
  report.fact("cgroup_memory_max", limit);
  rlimit locked{};
  getrlimit(RLIMIT_MEMLOCK, &locked);
  report.fact("rlimit_memlock",
              locked.rlim_cur == RLIM_INFINITY ? json("unlimited") : json(locked.rlim_cur));
  std::istringstream capabilities(line_of("/proc/self/status", "CapEff:"));
  std::string key;
  uint64_t bits = 0;
  capabilities >> key >> std::hex >> bits;
  constexpr int kSysNice = 23;  // of <linux/capability.h>
  report.fact("cap_sys_nice", static_cast<bool>(bits >> kSysNice & 1));
}

}  // namespace

std::unique_ptr<HostBuffer> HostBuffer::make(const Gpu& gpu, HostKind kind, size_t bytes) {
  std::unique_ptr<HostBuffer> buffer(new HostBuffer);
  buffer->bytes_ = bytes;
  auto map = [&](Place place) {
    if (!gpu.supports(place)) return false;
    buffer->chunk_ = std::make_unique<Chunk>(gpu, place, bytes);
    buffer->range_ = std::make_unique<Range>(bytes);
    buffer->range_->map(gpu, *buffer->chunk_, bytes);
    buffer->copy_address_ = buffer->kernel_address_ = buffer->range_->at();
    return true;
  };
  switch (kind) {
    case HostKind::VmmNuma:
      return map(Place::HostNuma) ? std::move(buffer) : nullptr;
    case HostKind::Vmm:
      return map(Place::Host) ? std::move(buffer) : nullptr;
    case HostKind::HostAlloc:
      buffer->pinned_ = std::make_unique<HostMemory>(bytes);
      buffer->copy_address_ = buffer->kernel_address_ = buffer->pinned_->device();
      return buffer;
    case HostKind::Registered:
      buffer->pages_ = touched_pages(bytes);
      if (cu().cuMemHostRegister.attempt(buffer->pages_, bytes, CU_MEMHOSTREGISTER_DEVICEMAP) !=
          CUDA_SUCCESS)
        return nullptr;
      buffer->registered_ = true;
      cu().cuMemHostGetDevicePointer(&buffer->kernel_address_, buffer->pages_, 0);
      buffer->copy_address_ = buffer->kernel_address_;
      return buffer;
    case HostKind::Pageable:
      buffer->pages_ = touched_pages(bytes);
      buffer->copy_address_ = reinterpret_cast<CUdeviceptr>(buffer->pages_);
      return buffer;
  }
  __builtin_unreachable();
}

HostBuffer::~HostBuffer() {
  if (registered_) cu().cuMemHostUnregister.attempt(pages_);
  if (pages_) munmap(pages_, bytes_);
}

Verdict host_creation(Gpu& gpu, Report& report) {
  report_surroundings(report);
  // Up to 4 GiB are held at once, and never more than a quarter of what is free.
  size_t piece = gpu.bytes(256 * kMiB);
  size_t most = gpu.small() ? 4 * piece : std::min<size_t>(4 * kGiB, available_bytes() / 4);
  std::string text;
  bool any = false;
  for (Place place : {Place::HostNuma, Place::Host}) {
    CUmemAllocationProp properties = gpu.properties(place);
    size_t granularity = 0;
    CUresult known = cu().cuMemGetAllocationGranularity.attempt(&granularity, &properties,
                                                                CU_MEM_ALLOC_GRANULARITY_MINIMUM);
    report.fact(fmt::format("{}_granularity", name_of(place)),
                known == CUDA_SUCCESS ? json(granularity) : json(error_name(known)));
    bool works = gpu.supports(place);
    report.fact(fmt::format("{}_works", name_of(place)), works);
    any = any || works;
    text += fmt::format("{}{}", text.empty() ? "" : "; ", name_of(place));
    if (!works) {
      text += " does not work";
      continue;
    }
    std::vector<CUmemGenericAllocationHandle> held;
    std::vector<double> create, release;
    for (size_t total = 0; total + piece <= most; total += piece) {
      CUmemGenericAllocationHandle handle = 0;
      CUresult result = CUDA_SUCCESS;
      double us =
          timed_us([&] { result = cu().cuMemCreate.attempt(&handle, piece, &properties, 0); });
      if (result != CUDA_SUCCESS) {
        report.fact(fmt::format("{}_stopped_at", name_of(place)),
                    {{"bytes", total}, {"error", error_name(result)}});
        break;
      }
      held.push_back(handle);
      create.push_back(us / 1e6 * (static_cast<double>(kGiB) / static_cast<double>(piece)));
    }
    for (CUmemGenericAllocationHandle handle : held)
      release.push_back(timed_us([&] { cu().cuMemRelease(handle); }) / 1e6 *
                        (static_cast<double>(kGiB) / static_cast<double>(piece)));
    if (create.empty()) continue;
    json where{{"memory", name_of(place)}, {"bytes", piece}};
    double rate = report.sample("create", "s/GiB", create, where).median;
    report.sample("release", "s/GiB", release, where);
    text += fmt::format(" is created at {:.3f} s/GiB ({} MiB held at once)", rate,
                        held.size() * piece / kMiB);
  }
  std::vector<double> alloc, registering;
  size_t bytes = gpu.bytes(kGiB);
  double gib = static_cast<double>(bytes) / static_cast<double>(kGiB);
  for (int i = 0; i < gpu.repeats(2); ++i) {
    void* address = nullptr;
    alloc.push_back(
        timed_us([&] { cu().cuMemHostAlloc(&address, bytes, CU_MEMHOSTALLOC_PORTABLE); }) / 1e6 /
        gib);
    cu().cuMemFreeHost(address);
    void* pages = touched_pages(bytes);
    CUresult result = CUDA_SUCCESS;
    double us = timed_us([&] { result = cu().cuMemHostRegister.attempt(pages, bytes, 0); });
    if (result == CUDA_SUCCESS) {
      registering.push_back(us / 1e6 / gib);
      cu().cuMemHostUnregister(pages);
    }
    munmap(pages, bytes);
  }
  json where{{"bytes", bytes}};
  text += fmt::format("; cuMemHostAlloc {:.3f} s/GiB",
                      report.sample("cuMemHostAlloc", "s/GiB", alloc, where).median);
  if (!registering.empty())
    text += fmt::format("; cuMemHostRegister of touched pages {:.3f} s/GiB",
                        report.sample("cuMemHostRegister", "s/GiB", registering, where).median);
  return {text,
          any ? "In-place mode is possible; create the host pool early, from a thread of its own."
              : "Copy-only mode: backups are cuMemHostAlloc memory."};
}

}  // namespace probe
