// SPDX-License-Identifier: Apache-2.0
// Jobs of no model: the scan that recency is worst at, and accesses without any order.
#include <array>
#include <deque>
#include <random>
#include <set>
#include <vector>

#include "tests/workloads/generators.h"
#include "tests/workloads/job.h"

namespace workloads {
namespace {

// Of work for each byte: at 1.5 times the memory, the third of a scan that has to come from the
// host over PCIe 5 takes about as long as the kernels do.
constexpr double kFlopsPerByte = 4000;

double work_on(uint64_t bytes) {
  return kFlopsPerByte * static_cast<double>(bytes);
}

Workload scan(const char* name, unsigned iterations, Access (*use)(const Tensor&)) {
  constexpr uint64_t kSizes[] = {64 * kMiB, 256 * kMiB, 128 * kMiB, 512 * kMiB};
  constexpr size_t kTensors = 400;
  Job job(name);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < kTensors; ++i)
    tensors.push_back(job.filled(kSizes[i % std::size(kSizes)]));
  for (unsigned i = 0; i < iterations; ++i) {
    job.iteration();
    for (size_t j = 0; j < kTensors; ++j)
      job.run("scan", work_on(kSizes[j % std::size(kSizes)]), {use(tensors[j])});
  }
  return job.take();
}

// Equal everywhere: the distributions of the standard library are not.
class Random {
 public:
  uint64_t below(uint64_t end) { return engine_() % end; }
  bool one_in(uint64_t count) { return below(count) == 0; }
  // The lower, the likelier: a fifth of all numbers are drawn nearly half of the time.
  uint64_t low_below(uint64_t end) { return below(end) * below(end) / end; }

 private:
  std::mt19937_64 engine_{1811'12174};
};

}  // namespace

Workload scan_read(unsigned iterations) {
  return scan("scan-read", iterations, [](const Tensor& tensor) { return read(tensor); });
}

Workload scan_write(unsigned iterations) {
  return scan("scan-write", iterations, [](const Tensor& tensor) { return update(tensor); });
}

Workload random_access(unsigned iterations) {
  constexpr size_t kTensors = 300, kKernels = 400, kLiving = 8;
  Job job("random");
  Random random;
  std::vector<uint64_t> sizes;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < kTensors; ++i) {
    sizes.push_back((random.below(16) + 1) * 32 * kMiB);
    tensors.push_back(job.filled(sizes.back()));
  }
  std::deque<Tensor> passing;  // made by one kernel, read by later ones, and freed
  for (unsigned i = 0; i < iterations; ++i) {
    job.iteration();
    for (size_t kernel = 0; kernel < kKernels; ++kernel) {
      std::vector<Access> accesses;
      std::set<uint64_t> chosen;
      while (chosen.size() < 3 && (chosen.empty() || !random.one_in(3)))
        chosen.insert(random.low_below(kTensors));
      uint64_t bytes = 0;
      for (const uint64_t which : chosen) {
        bytes += sizes[which];
        accesses.push_back(random.one_in(3) ? update(tensors[which]) : read(tensors[which]));
      }
      if (!passing.empty()) accesses.push_back(read(passing[random.below(passing.size())]));
      if (random.one_in(4)) {
        passing.push_back(job.make((random.below(8) + 1) * 16 * kMiB));
        accesses.push_back(write(passing.back()));
      }
      job.run("random", work_on(bytes), accesses);
      if (passing.size() > kLiving) passing.pop_front();
    }
  }
  return job.take();
}

}  // namespace workloads
