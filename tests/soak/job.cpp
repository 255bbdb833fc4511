// SPDX-License-Identifier: Apache-2.0
// A long random job under a limit that it changes itself, for soak_runner:
//   soak_job SEED VIRTUAL_MINUTES REAL_SECONDS LIMIT_FILE
// Allocations, frees and launches in two streams; what a tensor holds is checked when it is freed.
// Watches how much of the device is used and how large the process is. Last line, for the runner:
// minutes changes over_mib rss_growth_mib.
#include <cuda.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "driver_kernels_ptx.h"
#include "tests/soak/limits.h"
#include "tests/support/stage.h"

namespace {

using Steady = std::chrono::steady_clock;

constexpr uint32_t kStride = 4096;  // words between those that a launch changes

CUfunction add_kernel = nullptr;

uint64_t used_on_device() {
  size_t free = 0, total = 0;
  MUST(cuMemGetInfo(&free, &total));
  return total - free;
}

// The process's own memory. What the simulated GPU and its host hold is in files, which its report
// tells, and would hide the growth of anything else.
double rss_mib() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    double kib = 0;
    if (word == "RssAnon:" && file >> kib) return kib / 1024;
  }
  return 0;
}

struct Tensor {
  CUdeviceptr address = 0;
  uint64_t bytes = 0;
  int lane = 0;
  bool ordered = false;
  uint32_t base = 0, added = 0;
};

class Job {
 public:
  Job(uint64_t seed, std::string limit_file)
      : random_(seed), limit_file_(std::move(limit_file)), bare_(used_on_device()) {
    for (CUstream& stream : lanes_) MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuEventCreate(&begin_, CU_EVENT_DEFAULT));
    MUST(cuEventCreate(&now_, CU_EVENT_DEFAULT));
    MUST(cuEventRecord(begin_, lanes_[0]));
  }

  void step() {
    const int dice = static_cast<int>(below(100));
    if (live_ < soak::kFootprint * 3 / 4 && (dice < 10 || tensors_.empty()))
      make();
    else if (dice < 18 && !tensors_.empty())
      drop(below(tensors_.size()));
    else
      launch(tensors_[below(tensors_.size())]);
    watch();
  }

  // Another limit, once the last one is kept.
  void change_limit() {
    limit_ = soak::kLeastLimit + below(soak::kMostLimit - soak::kLeastLimit);
    limit_ = limit_ / (2 * soak::kMiB) * (2 * soak::kMiB);
    const std::string fresh = limit_file_ + ".new";
    std::ofstream(fresh) << limit_ << '\n';
    std::filesystem::rename(fresh, limit_file_);
    kept_ = false;
    changed_ = Steady::now();
    changes_++;
  }
  bool limit_kept() const { return kept_; }
  // The limit was not kept in all the time that there was.
  void give_up_on_limit() { over_ = std::max(over_, used_on_device() - bare_ - limit_); }

  double virtual_minutes() {
    MUST(cuEventRecord(now_, lanes_[0]));
    MUST(cuEventSynchronize(now_));
    float ms = 0;
    MUST(cuEventElapsedTime(&ms, begin_, now_));
    return ms / 60e3;
  }
  void finish() {
    while (!tensors_.empty()) drop(tensors_.size() - 1);
    MUST(cuCtxSynchronize());
  }
  uint64_t changes() const { return changes_; }
  uint64_t over() const { return over_; }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }

  void make() {
    Tensor tensor;
    tensor.bytes =
        below(8) ? (1 + below(12)) * soak::kMiB + below(4096) * 256 : (1 + below(512)) * 1024;
    tensor.lane = static_cast<int>(below(2));
    // In stream order the driver would take 2 MiB of its pool for each small one.
    tensor.ordered = below(2) && tensor.bytes >= 2 * soak::kMiB;
    tensor.base = static_cast<uint32_t>(random_());
    const CUstream stream = lanes_[tensor.lane];
    if (tensor.ordered)
      MUST(cuMemAllocAsync(&tensor.address, tensor.bytes, stream));
    else
      MUST(cuMemAlloc(&tensor.address, tensor.bytes));
    MUST(cuMemsetD32Async(tensor.address, tensor.base, tensor.bytes / 4, stream));
    live_ += tensor.bytes;
    tensors_.push_back(tensor);
  }

  void launch(Tensor& tensor) {
    uint32_t words = static_cast<uint32_t>(tensor.bytes / 4), stride = kStride;
    uint32_t value = static_cast<uint32_t>(below(1000));
    void* arguments[] = {&tensor.address, &words, &stride, &value};
    MUST(cuLaunchKernel(add_kernel, 2, 1, 1, 64, 1, 1, 0, lanes_[tensor.lane], arguments, nullptr));
    tensor.added += value;
  }

  void drop(size_t index) {
    const Tensor tensor = tensors_[index];
    tensors_[index] = tensors_.back();
    tensors_.pop_back();
    std::vector<uint32_t> seen(tensor.bytes / 4);
    MUST(cuMemcpyDtoHAsync(seen.data(), tensor.address, tensor.bytes, lanes_[tensor.lane]));
    MUST(cuStreamSynchronize(lanes_[tensor.lane]));
    for (size_t i = 0; i < seen.size(); i++) {
      const uint32_t wanted = tensor.base + (i % kStride ? 0 : tensor.added);
      if (seen[i] == wanted) continue;
      std::fprintf(stderr, "soak_job: word %zu of %zu is %08x, expected %08x\n", i, seen.size(),
                   seen[i], wanted);
      std::exit(1);
    }
    if (tensor.ordered)
      MUST(cuMemFreeAsync(tensor.address, lanes_[tensor.lane]));
    else
      MUST(cuMemFree(tensor.address));
    live_ -= tensor.bytes;
  }

  // A limit counts from when it has been read, which the library does about every 100 ms, and once
  // it has been reached.
  void watch() {
    constexpr std::chrono::seconds kRead{1};
    const uint64_t used = used_on_device() - bare_;
    if (used <= limit_)
      kept_ = kept_ || Steady::now() - changed_ > kRead;
    else if (kept_)
      over_ = std::max(over_, used - limit_);
  }

  std::mt19937_64 random_;
  const std::string limit_file_;
  const uint64_t bare_;  // what is used before anything is allocated
  CUstream lanes_[2] = {};
  CUevent begin_ = nullptr, now_ = nullptr;
  std::vector<Tensor> tensors_;
  uint64_t live_ = 0, limit_ = soak::kMostLimit, changes_ = 0, over_ = 0;
  bool kept_ = false;
  Steady::time_point changed_ = Steady::now();
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const double minutes = std::atof(argv[2]);
  const std::chrono::seconds real(std::atoi(argv[3]));
  add_kernel = support::set_stage(driver_kernels_ptx).function("add");
  Job job(std::strtoull(argv[1], nullptr, 10), argv[4]);

  constexpr int kLook = 64;                      // steps between two looks at the clock
  constexpr std::chrono::seconds kPatience{60};  // until a limit is kept; the work goes on
  const auto start = Steady::now();
  auto changed = start;
  double done = 0, early = 0, late = 0;
  for (uint64_t step = 1; done < minutes && Steady::now() - start < real; step++) {
    job.step();
    if (step % kLook) continue;
    done = job.virtual_minutes();
    // What the process is once everything has happened, and how large it becomes later.
    const double resident = rss_mib();
    (done < minutes / 3 ? early : late) = std::max(done < minutes / 3 ? early : late, resident);
    if (!job.limit_kept() && Steady::now() - changed < kPatience) continue;
    if (!job.limit_kept()) job.give_up_on_limit();
    job.change_limit();
    changed = Steady::now();
  }
  job.finish();
  std::printf("%.2f %llu %.1f %.1f\n", done, static_cast<unsigned long long>(job.changes()),
              static_cast<double>(job.over()) / soak::kMiB, std::max(0.0, late - early));
  return 0;
}
