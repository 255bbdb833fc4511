// SPDX-License-Identifier: Apache-2.0
// Parameter layouts of our own kernels, and what the calls on the launch path cost.
#include <fmt/format.h>

#include "gpu_probe_kernels_ptx.h"
#include "tests/gpu/probe.h"

namespace probe {
namespace {

struct Field {
  size_t offset, size;
  bool operator==(const Field&) const = default;
};

// Asks for parameters until the driver says that there are no more.
template <class Entry, class Handle>
std::pair<CUresult, std::vector<Field>> layout(const Entry& entry, Handle handle) {
  std::vector<Field> fields;
  for (size_t index = 0;; ++index) {
    Field field{};
    CUresult result = entry.attempt(handle, index, &field.offset, &field.size);
    if (result != CUDA_SUCCESS)
      // Past the end INVALID_VALUE is the documented answer; for the first it may be a refusal.
      return {result == CUDA_ERROR_INVALID_VALUE ? CUDA_SUCCESS : result, fields};
    fields.push_back(field);
  }
}

}  // namespace

Verdict parameter_info(Gpu& gpu, Report& report) {
  // As nvcc lays out mixed(char, double, Triple, float*, short).
  const std::vector<Field> expected = {{0, 1}, {8, 8}, {16, 24}, {40, 8}, {48, 2}};
  CUlibrary library = nullptr;
  CUkernel kernel = nullptr;
  cu().cuLibraryLoadData(&library, gpu_probe_kernels_ptx, nullptr, nullptr, 0, nullptr, nullptr, 0);
  cu().cuLibraryGetKernel(&kernel, library, "mixed");
  CUfunction function = gpu.kernels().mixed.function;
  auto say = [&](const char* name, const auto& entry, auto handle) {
    auto [result, fields] = layout(entry, handle);
    bool right = result == CUDA_SUCCESS && fields == expected;
    report.fact(name,
                right ? json("right")
                      : json(fmt::format("{}, {} parameters", error_name(result), fields.size())));
    return right;
  };
  bool plain = say("cuFuncGetParamInfo(CUfunction)", cu().cuFuncGetParamInfo, function);
  bool own = say("cuKernelGetParamInfo(CUkernel)", cu().cuKernelGetParamInfo, kernel);
  bool cast = say("cuFuncGetParamInfo(CUkernel as CUfunction)", cu().cuFuncGetParamInfo,
                  reinterpret_cast<CUfunction>(kernel));
  bool back = say("cuKernelGetParamInfo(CUfunction as CUkernel)", cu().cuKernelGetParamInfo,
                  reinterpret_cast<CUkernel>(function));
  // Launching a CUkernel where a CUfunction is wanted is what the runtime does.
  void* parameters[6] = {};
  char words[24] = {};
  std::fill_n(parameters, 5, static_cast<void*>(words));
  CUresult launched = cu().cuLaunchKernel.attempt(reinterpret_cast<CUfunction>(kernel), 1, 1, 1, 1,
                                                  1, 1, 0, nullptr, parameters, nullptr);
  report.fact("cuLaunchKernel(CUkernel)", error_name(launched));
  cu().cuCtxSynchronize();

  std::vector<double> ns;
  constexpr int kBatch = 1000;
  for (int i = 0; i < gpu.repeats(50); ++i)
    ns.push_back(timed_us([&] {
                   Field field{};
                   for (int k = 0; k < kBatch; ++k)
                     cu().cuFuncGetParamInfo.attempt(function, static_cast<size_t>(k % 5),
                                                     &field.offset, &field.size);
                 }) *
                 1e3 / kBatch);
  double cost = report.sample("cuFuncGetParamInfo", "ns", ns).median;
  return {
      fmt::format("CUfunction {}, CUkernel {}, CUkernel passed as CUfunction {}; {:.0f} ns a call",
                  plain ? "right" : "not known", own ? "right" : "not known",
                  cast ? "right" : "not known", cost),
      fmt::format("{}{}",
                  plain && own ? "Layouts come from the driver, cached per handle"
                               : "Layouts are unknown: treat launches as touching everything",
                  cast   ? "; one call serves both kinds of handle."
                  : back ? "; cuKernelGetParamInfo serves both kinds of handle."
                         : "; try the other call when the first refuses a handle.")};
}

Verdict stream_calls(Gpu& gpu, Report& report) {
  constexpr int kBatch = 100;  // far below the depth of a stream's queue
  Stream stream, other;
  Event event(CU_EVENT_DISABLE_TIMING), timing;
  HostMemory words(4096);
  Memory local(4096);
  std::string text;
  auto cost = [&](const char* name, auto&& call) {
    call();  // lazy loading and the like
    cu().cuCtxSynchronize();
    std::vector<double> ns;
    for (int i = 0; i < gpu.repeats(60); ++i) {
      ns.push_back(timed_us([&] {
                     for (int k = 0; k < kBatch; ++k) call();
                   }) *
                   1e3 / kBatch);
      cu().cuCtxSynchronize();
    }
    text += fmt::format("{}{} {:.0f}", text.empty() ? "" : ", ", name,
                        report.sample(name, "ns", ns).median);
  };
  cost("cuLaunchKernel", [&] { gpu.kernels().nop.launch(1, 32, stream); });
  cost("cuLaunchKernel_4_pointers", [&] {
    gpu.kernels().nop4.launch(1, 32, stream, CUdeviceptr{local}, CUdeviceptr{local},
                              CUdeviceptr{local}, CUdeviceptr{local});
  });
  cost("cuEventRecord", [&] { cu().cuEventRecord(event, stream); });
  cost("cuEventRecord_timing", [&] { cu().cuEventRecord(timing, stream); });
  cost("cuEventQuery", [&] { cu().cuEventQuery(event); });
  cost("cuStreamWaitEvent_done", [&] { cu().cuStreamWaitEvent(other, event, 0); });
  cost("cuEventRecord_and_wait", [&] {
    cu().cuEventRecord(event, stream);
    cu().cuStreamWaitEvent(other, event, 0);
  });
  uint64_t value = 0;
  bool writes =
      cu().cuStreamWriteValue64.attempt(stream, words.device(), ++value, 0) == CUDA_SUCCESS;
  report.fact("cuStreamWriteValue64_works", writes);
  if (writes)
    cost("cuStreamWriteValue64",
         [&] { cu().cuStreamWriteValue64(stream, words.device(), ++value, 0); });
  cost("cuMemcpyDtoHAsync_4_bytes",
       [&] { cu().cuMemcpyDtoHAsync(words.as<char>() + 64, local, 4, stream); });
  return {
      text + " ns",
      "Mark completion with the cheapest of event and written value, every few launches, never at "
      "each."};
}

}  // namespace probe
