// SPDX-License-Identifier: Apache-2.0
// What the driver answers to frees of the other kind, whether they wait, and the speed of hashing.
#include <fmt/format.h>

#include "tests/gpu/load.h"
#include "tests/gpu/probe.h"

namespace probe {

Verdict frees(Gpu& gpu, Report& report) {
  size_t bytes = 4 * kMiB;
  auto plain = [&] {
    CUdeviceptr address = 0;
    cu().cuMemAlloc(&address, bytes);
    return address;
  };
  auto pooled = [&] {
    CUdeviceptr address = 0;
    cu().cuMemAllocAsync(&address, bytes, nullptr);
    cu().cuStreamSynchronize(nullptr);
    return address;
  };
  Chunk chunk(gpu, Place::Device, 2 * kMiB);
  Range range(2 * kMiB);
  range.map(gpu, chunk, 2 * kMiB);
  auto free_now = [](CUdeviceptr address) { return cu().cuMemFree.attempt(address); };
  auto free_later = [](CUdeviceptr address) {
    CUresult result = cu().cuMemFreeAsync.attempt(address, nullptr);
    CUresult after = cu().cuStreamSynchronize.attempt(nullptr);
    return result != CUDA_SUCCESS ? result : after;
  };
  std::string text;
  auto say = [&](const char* name, CUresult result) {
    report.fact(name, error_name(result));
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", name, error_name(result));
  };
  say("cuMemFreeAsync of cuMemAlloc memory", free_later(plain()));
  say("cuMemFree of pool memory", free_now(pooled()));
  CUdeviceptr address = plain();
  say("cuMemFree of an interior address", free_now(address + 4096));
  cu().cuMemFree(address);
  say("cuMemFree twice", free_now(address));
  say("cuMemFree of a VMM address", free_now(range.at()));
  say("cuMemFreeAsync of a VMM address", free_later(range.at()));
  say("cuMemFree of 0", free_now(0));
  say("cuMemFreeAsync of 0", free_later(0));
  CUdeviceptr empty = 0;
  say("cuMemAlloc of 0 bytes", cu().cuMemAlloc.attempt(&empty, 0));
  say("cuMemAllocAsync of 0 bytes", cu().cuMemAllocAsync.attempt(&empty, 0, nullptr));
  say("cuMemAlloc of 1 PiB", cu().cuMemAlloc.attempt(&empty, size_t{1} << 50));
  return {text, "Served ranges must give exactly these answers."};
}

Verdict free_under_kernel(Gpu& gpu, Report& report) {
  CUdeviceptr address = 0;
  cu().cuMemAlloc(&address, 4 * kMiB);
  LongKernel kernel(gpu);
  // A free that waits would wait for ever: the kernel is told to stop after this long.
  auto patience = std::chrono::milliseconds(gpu.small() ? 100 : 500);
  std::jthread stopper([&] {
    std::this_thread::sleep_for(patience);
    gpu.enter_thread();
    kernel.stop();
  });
  double us = timed_us([&] { cu().cuMemFree(address); });
  stopper.join();
  double limit = std::chrono::duration<double, std::micro>(patience).count();
  bool waited = us > 0.8 * limit;
  report.fact("free_us", us);
  report.fact("waited", waited);
  return {fmt::format("cuMemFree took {:.0f} us beside a kernel of {:.0f} us on another stream: {}",
                      us, limit, waited ? "it waits" : "it does not wait"),
          waited ? "Programs may rely on the wait: a deferred free must give the same ordering."
                 : "The driver itself does not order frees after unrelated work."};
}

Verdict hash_rate(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kGiB);
  Memory memory(bytes), out(16), sink(16);
  Stream stream;
  gpu.fill(memory, bytes, 3, stream);
  Stopwatch watch;
  auto measure = [&](const char* name, auto&& launch) {
    std::vector<double> rates;
    launch();
    for (int i = 0; i < gpu.repeats(10); ++i) {
      watch.start(stream);
      launch();
      watch.stop(stream);
      rates.push_back(gb_per_s(static_cast<double>(bytes), watch.ms()));
    }
    return report.sample(name, "GB/s", rates, {{"bytes", bytes}}).median;
  };
  auto hash = [&] {
    gpu.kernels().hash128.launch(gpu.blocks(), 256, stream, CUdeviceptr{memory},
                                 uint64_t{bytes / 16}, CUdeviceptr{out});
  };
  double read = measure("read", [&] {
    gpu.kernels().read_all.launch(gpu.blocks(), 256, stream, CUdeviceptr{memory},
                                  uint64_t{bytes / 16}, CUdeviceptr{sink});
  });
  double hashed = measure("hash", hash);
  // The same bytes give the same hash, and one changed bit another.
  auto digest = [&] {
    cu().cuMemsetD8Async(out, 0, 16, stream);
    hash();
    cu().cuStreamSynchronize(stream);
    std::array<uint64_t, 2> words{};
    cu().cuMemcpyDtoH(words.data(), out, sizeof words);
    return words;
  };
  auto first = digest(), again = digest();
  uint64_t word = 0;
  CUdeviceptr middle = memory + bytes / 2;
  cu().cuMemcpyDtoH(&word, middle, 8);
  word ^= 1;
  cu().cuMemcpyHtoD(middle, &word, 8);
  bool repeats = first == again, notices = first != digest();
  report.fact("repeats", repeats);
  report.fact("notices_one_bit", notices);
  if (!repeats || !notices) throw std::runtime_error("the hash kernel itself is wrong");
  return {fmt::format("{:.0f} GB/s, against {:.0f} GB/s of reading", hashed, read),
          fmt::format(
              "Hashing before a write-back takes {:.2f} ms per GiB: worth it wherever a copy over "
              "the link takes longer.",
              static_cast<double>(kGiB) / hashed / 1e6)};
}

}  // namespace probe
