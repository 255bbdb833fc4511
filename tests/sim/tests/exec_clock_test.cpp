// SPDX-License-Identifier: Apache-2.0
// The virtual clock: the same program takes the same virtual time under every seed, and overlaps
// what a GPU overlaps.
#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>

#include "tests/sim/tests/exec_fixture.h"

extern char** environ;

namespace exec {
namespace {

using Clock = Exec;

constexpr size_t kMiB = 1 << 20;

// Run by itself, in a child process, under a seed: everything that has a duration.
TEST_F(Clock, Program) {
  std::mt19937 random(7);
  std::vector<CUstream> streams{stream(), stream(), stream(CU_STREAM_DEFAULT)};
  CUevent e = event();
  CUdeviceptr device = 0;
  void* host = nullptr;
  CHECK_CU(cuMemAlloc_v2(&device, kMiB));
  CHECK_CU(cuMemHostAlloc(&host, kMiB, 0));
  for (int i = 0; i < 200; i++) {
    CUstream s = streams[random() % 3];
    switch (random() % 7) {
      case 0:
        CHECK_CU(add(s, 1));
        break;
      case 1:
        CHECK_CU(cuMemcpyHtoDAsync_v2(device, host, random() % kMiB, s));
        break;
      case 2:
        CHECK_CU(cuMemcpyDtoHAsync_v2(host, device, random() % kMiB, s));
        break;
      case 3:
        CHECK_CU(cuEventRecord(e, s));
        break;
      case 4:
        CHECK_CU(cuStreamWaitEvent(s, e, 0));
        break;
      case 5:
        CHECK_CU(chain(nullptr, 1));
        break;
      case 6:
        CHECK_CU(cuStreamSynchronize(s));
        break;
    }
  }
  CHECK_CU(cuCtxSynchronize());
}

// Run by itself as well: a copy and a launch between two snapshots, memory mapped by a thread.
TEST_F(Clock, Snapshots) {
  const auto snapshot =
      reinterpret_cast<void (*)(const char*)>(dlsym(RTLD_DEFAULT, "simcuda_snapshot"));
  ASSERT_NE(nullptr, snapshot);
  CUdeviceptr device = 0;
  void* host = nullptr;
  CHECK_CU(cuMemAlloc_v2(&device, kMiB));
  CHECK_CU(cuMemHostAlloc(&host, kMiB, 0));
  CHECK_CU(add(nullptr, 1));
  snapshot("before");
  CHECK_CU(cuMemcpyHtoDAsync_v2(device, host, kMiB, nullptr));
  CHECK_CU(add(nullptr, 1));
  CHECK_CU(cuCtxSynchronize());
  std::thread([&] {
    pthread_setname_np(pthread_self(), "helper");
    CUmemAllocationProp properties{};
    properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
    CUmemGenericAllocationHandle handle = 0;
    CHECK_CU(cuMemCreate(&handle, 2 * kMiB, &properties, 0));
    CHECK_CU(cuMemRelease(handle));
  }).join();
  snapshot("after");
}

nlohmann::json report_of(const std::string& seed, const std::string& test = "Program") {
  char file[] = "/tmp/simcuda-report-XXXXXX";
  close(mkstemp(file));
  std::vector<std::string> variables{"SIMCUDA_SEED=" + seed, std::string("SIMCUDA_REPORT=") + file};
  for (char** variable = environ; *variable; variable++) {
    if (std::string(*variable).rfind("SIMCUDA_", 0) != 0) variables.push_back(*variable);
  }
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string self = "/proc/self/exe", filter = "--gtest_filter=Clock." + test;
  char* arguments[] = {self.data(), filter.data(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(0,
            posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environment.data()));
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(0, status);
  const auto report = nlohmann::json::parse(std::ifstream(file));
  unlink(file);
  return report;
}

TEST(ClockReport, IsTheSameUnderEverySeed) {
  const nlohmann::json first = report_of("1")["clock"];
  EXPECT_GT(first["virtual_ns"].get<double>(), 1e5);
  EXPECT_GT(first["engines"]["htod"]["bytes"].get<uint64_t>(), kMiB);
  EXPECT_GT(first["kernels"]["add"]["count"].get<uint64_t>(), 10u);
  for (const char* seed : {"2", "3", "4", "5"}) EXPECT_EQ(first, report_of(seed)["clock"]) << seed;
}

TEST(ClockReport, SnapshotsTellThreadsApart) {
  const nlohmann::json snapshots = report_of("1", "Snapshots")["snapshots"];
  ASSERT_EQ(2u, snapshots.size());
  const nlohmann::json &before = snapshots[0], &after = snapshots[1];
  EXPECT_EQ("before", before["name"]);
  const auto bytes = [](const nlohmann::json& at) {
    return at["engines"].value("/htod/bytes"_json_pointer, uint64_t{0});
  };
  EXPECT_EQ(kMiB, bytes(after) - bytes(before));
  ASSERT_EQ(1u, before["threads"].size());
  ASSERT_EQ(2u, after["threads"].size());
  const nlohmann::json &was = before["threads"][0], &is = after["threads"][0];
  EXPECT_EQ(after["thread"], is["id"]);
  EXPECT_EQ(1u, is["calls"]["launch"].get<uint64_t>() - was["calls"]["launch"].get<uint64_t>());
  // The copy takes about 19 us, of which the thread's own calls cover less than 10.
  EXPECT_GT(is["blocked_ns"].get<double>() - was["blocked_ns"].get<double>(), 8e3);
  EXPECT_NEAR(after["now_ns"].get<double>() - before["now_ns"].get<double>(),
              is["blocked_ns"].get<double>() - was["blocked_ns"].get<double>() +
                  is["own_ns"].get<double>() - was["own_ns"].get<double>(),
              1);
  const nlohmann::json& helper = after["threads"][1];
  EXPECT_EQ("helper", helper["name"]);
  EXPECT_EQ(1u, helper["calls"]["create"].get<uint64_t>());
  EXPECT_EQ(0u, is["calls"]["create"].get<uint64_t>());
}

class Overlap : public Exec {
 protected:
  void SetUp() override {
    Exec::SetUp();
    for (CUstream* s : {&a_, &b_}) *s = stream();
    for (CUdeviceptr* d : {&in_, &out_}) CHECK_CU(cuMemAlloc_v2(d, kBytes));
    for (void** h : {&source_, &target_}) CHECK_CU(cuMemHostAlloc(h, kBytes, 0));
  }
  // Milliseconds from the first to the last of what `work` queues in both streams.
  template <class Work>
  float measure(Work&& work) {
    CUevent from = event(), to = event(), joined = event();
    EXPECT_EQ(CUDA_SUCCESS, cuEventRecord(from, a_));
    EXPECT_EQ(CUDA_SUCCESS, cuStreamWaitEvent(b_, from, 0));
    work();
    EXPECT_EQ(CUDA_SUCCESS, cuEventRecord(joined, b_));
    EXPECT_EQ(CUDA_SUCCESS, cuStreamWaitEvent(a_, joined, 0));
    EXPECT_EQ(CUDA_SUCCESS, cuEventRecord(to, a_));
    EXPECT_EQ(CUDA_SUCCESS, cuEventSynchronize(to));
    float ms = 0;
    EXPECT_EQ(CUDA_SUCCESS, cuEventElapsedTime_v2(&ms, from, to));
    return ms;
  }
  void copy_in(CUstream s) { CHECK_CU(cuMemcpyHtoDAsync_v2(in_, source_, kBytes, s)); }
  void copy_out(CUstream s) { CHECK_CU(cuMemcpyDtoHAsync_v2(target_, out_, kBytes, s)); }

  static constexpr size_t kBytes = 32 * kMiB;
  CUstream a_ = nullptr, b_ = nullptr;
  CUdeviceptr in_ = 0, out_ = 0;
  void *source_ = nullptr, *target_ = nullptr;
};

TEST_F(Overlap, OneDirectionSharesTheLink) {
  const float one = measure([&] { copy_in(a_); });
  const float two = measure([&] {
    copy_in(a_);
    copy_in(b_);
  });
  EXPECT_NEAR(2 * one, two, 0.05f * one);
}

TEST_F(Overlap, BothDirectionsReachTheCombinedRate) {
  const float both = measure([&] {
    copy_in(a_);
    copy_out(b_);
  });
  constexpr float kBothRate = 100;  // GB/s, the default profile
  const float expected = 2 * static_cast<float>(kBytes) / kBothRate / 1e6f;
  EXPECT_NEAR(expected, both, 0.1f * expected);
}

// A kernel that reads and writes 2 MiB of pinned, or mapped and host-backed, memory.
TEST_F(Overlap, HostMemoryInAKernelGoesAtTheZeroCopyRate) {
  constexpr size_t kGranule = 2 << 20;
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA;
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr mapped = 0;
  CHECK_CU(cuMemCreate(&handle, kGranule, &prop, 0));
  CHECK_CU(cuMemAddressReserve(&mapped, kGranule, 0, 0, 0));
  CHECK_CU(cuMemMap(mapped, kGranule, 0, handle, 0));
  CUmemAccessDesc all{};
  all.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  all.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  CHECK_CU(cuMemSetAccess(mapped, kGranule, &all, 1));
  const unsigned count = kGranule / sizeof(int);
  const auto run = [&](CUdeviceptr at) {
    return measure([&] {
      int value = 1;
      unsigned words = count;
      void* parameters[] = {&at, &value, &words};
      CHECK_CU(cuLaunchKernel(add_, count / 1024, 1, 1, 1024, 1, 1, 0, a_, parameters, nullptr));
    });
  };
  constexpr float kLoadRate = 35.2f;  // GB/s, the default profile
  const float expected = static_cast<float>(kGranule) / kLoadRate / 1e6f;
  EXPECT_NEAR(expected, run(mapped), 0.1f * expected);
  EXPECT_NEAR(expected, run(reinterpret_cast<CUdeviceptr>(source_)), 0.1f * expected);
  EXPECT_LT(run(in_), 0.2f * expected);
}

TEST_F(Overlap, KernelsOverlapCopiesAndSmallKernelsEachOther) {
  const float kernel = measure([&] { CHECK_CU(chain(a_, 1)); });
  const float kernels = measure([&] {
    for (int i = 0; i < 10; i++) CHECK_CU(chain(i % 2 ? a_ : b_, 1));
  });
  EXPECT_LT(kernels, 10 * kernel + 0.05f);
  const float copy = measure([&] { copy_in(a_); });
  const float with_kernel = measure([&] {
    copy_in(a_);
    CHECK_CU(add(b_, 1));
  });
  EXPECT_NEAR(copy, with_kernel, 0.05f * copy);
}

}  // namespace
}  // namespace exec
