// SPDX-License-Identifier: Apache-2.0
// How fast bytes cross the link: copy engines, kernels, unified copies.
#include <fmt/format.h>

#include "tests/gpu/host_memory.h"
#include "tests/gpu/load.h"
#include "tests/gpu/probe.h"

namespace probe {
namespace {

constexpr size_t kBytes = 256 * kMiB;

// GB/s of `count` runs of `start(stream)`, which moves `bytes`, after one to warm up.
template <class Start>
std::vector<double> rates(CUstream stream, size_t bytes, int count, Start&& start) {
  Stopwatch watch;
  std::vector<double> out;
  start(stream);
  for (int i = 0; i < count; ++i) {
    watch.start(stream);
    start(stream);
    watch.stop(stream);
    out.push_back(gb_per_s(static_cast<double>(bytes), watch.ms()));
  }
  return out;
}

struct Transfer {
  CUdeviceptr to, from;
  size_t bytes;
  void operator()(CUstream stream) const { cu().cuMemcpyAsync(to, from, bytes, stream); }
};

// Sum of the rates when each transfer has a stream of its own and all start together; `copies` of
// each.
double together(const std::vector<Transfer>& transfers, int copies) {
  std::vector<Stream> streams(transfers.size());
  double bytes = 0;
  for (size_t k = 0; k < transfers.size(); ++k) transfers[k](streams[k]);  // warm-up
  cu().cuCtxSynchronize();
  double us = timed_us([&] {
    for (size_t k = 0; k < transfers.size(); ++k)
      for (int i = 0; i < copies; ++i) {
        transfers[k](streams[k]);
        bytes += static_cast<double>(transfers[k].bytes);
      }
    for (const Stream& stream : streams) cu().cuStreamSynchronize(stream);
  });
  return bytes / us / 1e3;
}

template <class Measure>
std::vector<double> repeated(int count, Measure&& measure) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(measure());
  return out;
}

}  // namespace

Verdict link_bandwidth(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kBytes);
  Memory near(bytes), far(bytes);
  Stream stream;
  int count = gpu.repeats(8);
  std::string text;
  for (HostKind kind : kHostKinds) {
    std::unique_ptr<HostBuffer> up = HostBuffer::make(gpu, kind, bytes);
    std::unique_ptr<HostBuffer> down = HostBuffer::make(gpu, kind, bytes);
    if (!up || !down) {
      report.fact(fmt::format("{}_works", name_of(kind)), false);
      continue;
    }
    json where{{"memory", name_of(kind)}, {"bytes", bytes}};
    Transfer in{near, up->copy_address(), bytes}, out{down->copy_address(), far, bytes};
    double htod =
        report.sample("host_to_device", "GB/s", rates(stream, bytes, count, in), where).median;
    double dtoh =
        report.sample("device_to_host", "GB/s", rates(stream, bytes, count, out), where).median;
    double both = report
                      .sample("both_ways", "GB/s",
                              repeated(count,
                                       [&] {
                                         return together({in, out}, 4);
                                       }),
                              where)
                      .median;
    text += fmt::format("{}{}: in {:.1f}, out {:.1f}, both {:.1f} GB/s", text.empty() ? "" : "; ",
                        name_of(kind), htod, dtoh, both);
    if (kind != HostKind::HostAlloc && kind != HostKind::VmmNuma) continue;
    for (size_t piece : {kMiB / 2, 2 * kMiB, 8 * kMiB, 32 * kMiB, 128 * kMiB}) {
      piece = gpu.bytes(piece);
      json row{{"memory", name_of(kind)}, {"bytes", piece}};
      report.sample("host_to_device", "GB/s",
                    rates(stream, piece, count, Transfer{near, up->copy_address(), piece}), row);
      report.sample("device_to_host", "GB/s",
                    rates(stream, piece, count, Transfer{down->copy_address(), far, piece}), row);
    }
  }
  report.sample("device_to_device", "GB/s", rates(stream, bytes, count, Transfer{near, far, bytes}),
                {{"bytes", bytes}});
  return {
      text,
      "These are the link rates for the planner; piece sizes below the knee of the size rows lose "
      "bandwidth."};
}

Verdict zero_copy(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kBytes);
  HostMemory sink(4096);
  Memory local(bytes);
  Stream stream;
  int count = gpu.repeats(6);
  std::string text;
  auto measure = [&](const char* name, CUdeviceptr address) {
    json where{{"memory", name}, {"bytes", bytes}};
    double read =
        report
            .sample("kernel_read", "GB/s",
                    rates(stream, bytes, count,
                          [&](CUstream s) {
                            gpu.kernels().read_all.launch(gpu.blocks(), 256, s, address,
                                                          uint64_t{bytes / 16}, sink.device());
                          }),
                    where)
            .median;
    double write = report
                       .sample("kernel_write", "GB/s",
                               rates(stream, bytes, count,
                                     [&](CUstream s) {
                                       gpu.kernels().write_all.launch(gpu.blocks(), 256, s, address,
                                                                      uint64_t{bytes / 16}, 7u);
                                     }),
                               where)
                       .median;
    text += fmt::format("{}{}: read {:.1f}, write {:.1f} GB/s", text.empty() ? "" : "; ", name,
                        read, write);
  };
  measure("device", local);
  for (HostKind kind : kHostKinds) {
    if (kind == HostKind::Pageable) continue;
    std::unique_ptr<HostBuffer> buffer = HostBuffer::make(gpu, kind, bytes);
    if (buffer)
      measure(name_of(kind), buffer->kernel_address());
    else
      report.fact(fmt::format("{}_works", name_of(kind)), false);
  }
  return {text, "What a range that is used in place costs per byte, against fetching it first."};
}

Verdict copy_engines(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kBytes);
  int engines = gpu.attribute(CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT);
  report.fact("ASYNC_ENGINE_COUNT", engines);
  Memory a(bytes), b(bytes), c(bytes);
  HostMemory x(bytes), y(bytes), z(bytes);
  int count = gpu.repeats(6);
  auto rate = [&](const char* name, const std::vector<Transfer>& transfers) {
    return report
        .sample(name, "GB/s", repeated(count, [&] { return together(transfers, 4); }),
                {{"bytes", bytes}})
        .median;
  };
  Transfer in1{a, x.device(), bytes}, in2{b, y.device(), bytes}, out{z.device(), c, bytes};
  double one = rate("one_in", {in1}), two = rate("two_in", {in1, in2});
  double both = rate("in_and_out", {in1, out});
  HostMemory sink(4096);
  Stream compute;
  unsigned rounds = gpu.small() ? 100 : 6'000'000;
  auto kernel_ms = [&] {
    Stopwatch watch;
    watch.start(compute);
    gpu.kernels().busy.launch(gpu.blocks(), 128, compute, sink.device(), rounds);
    watch.stop(compute);
    return watch;
  };
  std::vector<double> alone = repeated(count, [&] { return kernel_ms().ms(); });
  std::vector<double> beside, rate_beside;
  for (int i = 0; i < count; ++i) {
    Stopwatch watch = kernel_ms();  // runs while the copies do
    rate_beside.push_back(together({in1, out}, 2));
    beside.push_back(watch.ms());
  }
  double before = report.sample("kernel_alone", "ms", alone).median;
  double during = report.sample("kernel_beside_copies", "ms", beside).median;
  double copies = report.sample("in_and_out_beside_kernel", "GB/s", rate_beside).median;
  return {fmt::format(
              "{} engines; one stream in {:.1f}, two in {:.1f}, in and out {:.1f} GB/s; beside a "
              "kernel {:.1f} GB/s, and the kernel {:.2f} -> {:.2f} ms",
              engines, one, two, both, copies, before, during),
          fmt::format("{} {}",
                      two < 1.1 * one ? "One stream per direction is right."
                                      : "A second stream per direction pays.",
                      both > 1.5 * one ? "Evicting and fetching at once is worth its spare chunks."
                                       : "The directions share one budget: plan with it.")};
}

Verdict unified_copy(Gpu& gpu, Report& report) {
  size_t bytes = gpu.bytes(kBytes);
  Memory local(bytes);
  Stream stream;
  int count = gpu.repeats(6);
  std::string text;
  uint64_t wrong = 0;
  for (HostKind kind : {HostKind::VmmNuma, HostKind::Vmm}) {
    std::unique_ptr<HostBuffer> buffer = HostBuffer::make(gpu, kind, bytes);
    if (!buffer) continue;
    CUdeviceptr host = buffer->copy_address();
    json where{{"memory", name_of(kind)}, {"bytes", bytes}};
    // There and back through every door that may be asked: the bytes must survive.
    gpu.fill(local, bytes, 11, stream);
    cu().cuMemcpyAsync(host, local, bytes, stream);
    wrong += gpu.mismatches(host, bytes, 11, stream);
    cu().cuMemsetD8Async(local, 0, bytes, stream);
    cu().cuMemcpyDtoDAsync(local, host, bytes, stream);
    wrong += gpu.mismatches(local, bytes, 11, stream);
    double unified = report
                         .sample("cuMemcpyAsync_out", "GB/s",
                                 rates(stream, bytes, count, Transfer{host, local, bytes}), where)
                         .median;
    report.sample("cuMemcpyDtoDAsync_out", "GB/s",
                  rates(stream, bytes, count,
                        [&](CUstream s) { cu().cuMemcpyDtoDAsync(host, local, bytes, s); }),
                  where);
    double set =
        report
            .sample("cuMemsetD32Async", "GB/s",
                    rates(stream, bytes, count,
                          [&](CUstream s) { cu().cuMemsetD32Async(host, 5, bytes / 4, s); }),
                    where)
            .median;
    // The application believes in device memory and may also name the address as host memory's.
    CUresult as_host =
        cu().cuMemcpyDtoHAsync.attempt(reinterpret_cast<void*>(host), local, bytes, stream);
    if (as_host == CUDA_SUCCESS) as_host = cu().cuStreamSynchronize.attempt(stream);
    report.fact(fmt::format("{}_cuMemcpyDtoHAsync", name_of(kind)), error_name(as_host));
    // Pageable host memory to an evicted range.
    std::vector<uint64_t> pageable(bytes / 8, 42);
    cu().cuMemcpyHtoDAsync(host, pageable.data(), bytes, stream);
    std::vector<uint64_t> back(bytes / 8);
    cu().cuMemcpyDtoHAsync(back.data(), host, bytes, stream);
    cu().cuStreamSynchronize(stream);
    for (uint64_t word : back) wrong += word != 42;
    text += fmt::format("{}{}: copy out {:.1f} GB/s, set {:.1f} GB/s, as a host pointer {}",
                        text.empty() ? "" : "; ", name_of(kind), unified, set, error_name(as_host));
  }
  if (text.empty()) throw CudaError("cuMemCreate(HOST)", CUDA_ERROR_NOT_SUPPORTED);
  report.fact("wrong_words", wrong);
  return {text + (wrong ? fmt::format("; {} words were WRONG", wrong) : "; every word was right"),
          wrong ? "Fetch a range before any copy or set on it."
                : "Copies and sets on an evicted range need no fetch."};
}

}  // namespace probe
