// SPDX-License-Identifier: Apache-2.0
// What the driver knows of the kernels of cuBLAS, cuDNN and cuFFT, seen by the launch observer
// while the libraries do real work. They are opened when present, never linked.
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tests/gpu/observer.h"
#include "tests/gpu/probe.h"

namespace probe {

const Observer* find_observer() {
  return static_cast<const Observer*>(dlsym(RTLD_DEFAULT, kObserverSymbol));
}

bool restart_observed(char** argv) {
  if (find_observer()) return true;
  std::error_code error;
  std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string library = self.parent_path() / "libgpu_launch_observer.so";
  const char* before = getenv("LD_PRELOAD");
  bool tried = before && std::string(before).find(library) != std::string::npos;
  if (!tried && std::filesystem::exists(library, error)) {
    setenv("LD_PRELOAD", (library + (before ? std::string(":") + before : "")).c_str(), 1);
    execv(self.c_str(), argv);
  }
  std::fprintf(stderr, "gpu_probe: cannot preload %s\n", library.c_str());
  return false;
}

namespace {

// A function of a library by name; its handles and enumerations are pointers and ints in the C ABI.
class Library {
 public:
  explicit Library(std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (!library_) library_ = dlopen(name, RTLD_NOW);
    if (!library_)
      if (const char* reason = dlerror()) reason_ = reason;
  }
  explicit operator bool() const { return library_; }
  const std::string& reason() const { return reason_; }
  // Calls it; throws unless it answers 0.
  template <class... P>
  void operator()(const char* name, P... arguments) const {
    auto function = reinterpret_cast<int (*)(P...)>(dlsym(library_, name));
    if (!function) throw std::runtime_error(std::string(name) + " is not in the library");
    if (int status = function(arguments...))
      throw std::runtime_error(fmt::format("{} answered {}", name, status));
  }

 private:
  void* library_ = nullptr;
  std::string reason_;
};

constexpr size_t kBufferBytes = 64 * kMiB;
using Buffers = std::vector<void*>;  // device addresses; the first ones are the operands

struct Work {
  const char* name;
  std::vector<const char*> operands;
  std::function<void(const Buffers&)> run;
};

float one = 1.0f, zero = 0.0f;
constexpr int kHalf = 2, kBfloat = 14, kComputeFloat = 68, kDefaultAlgorithm = -1;

std::vector<Work> blas_works(const Library& blas, void* handle) {
  auto gemm_ex = [&blas, handle](int type, int n) {
    return [&blas, handle, type, n](const Buffers& b) {
      blas("cublasGemmEx", handle, 0, 0, n, n, n, &one, b[0], type, n, b[1], type, n, &zero, b[2],
           type, n, kComputeFloat, kDefaultAlgorithm);
    };
  };
  return {
      {"cublasSgemm 512",
       {"A", "B", "C"},
       [&blas, handle](const Buffers& b) {
         blas("cublasSgemm_v2", handle, 0, 0, 512, 512, 512, &one, b[0], 512, b[1], 512, &zero,
              b[2], 512);
       }},
      {"cublasGemmEx half 4096", {"A", "B", "C"}, gemm_ex(kHalf, 4096)},
      {"cublasGemmEx bfloat16 1024", {"A", "B", "C"}, gemm_ex(kBfloat, 1024)},
      {"cublasSgemmStridedBatched",
       {"A", "B", "C"},
       [&blas, handle](const Buffers& b) {
         long long stride = 128 * 128;
         blas("cublasSgemmStridedBatched", handle, 0, 0, 128, 128, 128, &one, b[0], 128, stride,
              b[1], 128, stride, &zero, b[2], 128, stride, 16);
       }},
      {"cublasSgemmBatched (arrays of pointers)",
       {"A", "B", "C", "array of A"},
       [&blas, handle](const Buffers& b) {
         constexpr size_t kBatch = 8, kBytes = 64 * 64 * sizeof(float);
         std::vector<CUdeviceptr> table;
         for (int operand : {0, 1, 2})
           for (size_t i = 0; i < kBatch; ++i)
             table.push_back(reinterpret_cast<CUdeviceptr>(b[operand]) + i * kBytes);
         auto array = reinterpret_cast<CUdeviceptr>(b[3]);
         cu().cuMemcpyHtoD(array, table.data(), table.size() * sizeof table[0]);
         auto part = [&](size_t k) { return reinterpret_cast<void*>(array + k * kBatch * 8); };
         blas("cublasSgemmBatched", handle, 0, 0, 64, 64, 64, &one, part(0), 64, part(1), 64, &zero,
              part(2), 64, static_cast<int>(kBatch));
       }},
      {"cublasSgemv",
       {"A", "x", "y"},
       [&blas, handle](const Buffers& b) {
         blas("cublasSgemv_v2", handle, 0, 1024, 1024, &one, b[0], 1024, b[1], 1, &zero, b[2], 1);
       }},
  };
}

std::vector<Work> dnn_works(const Library& dnn, void* handle) {
  auto tensor = [&dnn](int layout, int type, int n, int c, int h, int w) {
    void* descriptor = nullptr;
    dnn("cudnnCreateTensorDescriptor", &descriptor);
    dnn("cudnnSetTensor4dDescriptor", descriptor, layout, type, n, c, h, w);
    return descriptor;
  };
  constexpr int kNhwc = 1, kDnnFloat = 0, kDnnHalf = 2, kPrecomputedGemm = 1;
  auto convolution = [&dnn, handle, tensor](int layout, int type) {
    return [&dnn, handle, tensor, layout, type](const Buffers& b) {
      void *filter = nullptr, *convolution = nullptr;
      void* x = tensor(layout, type, 8, 64, 32, 32);
      void* y = tensor(layout, type, 8, 64, 32, 32);
      dnn("cudnnCreateFilterDescriptor", &filter);
      dnn("cudnnSetFilter4dDescriptor", filter, type, layout, 64, 64, 3, 3);
      dnn("cudnnCreateConvolutionDescriptor", &convolution);
      dnn("cudnnSetConvolution2dDescriptor", convolution, 1, 1, 1, 1, 1, 1, 1, kDnnFloat);
      if (type == kDnnHalf) dnn("cudnnSetConvolutionMathType", convolution, 1);
      dnn("cudnnConvolutionForward", handle, &one, x, b[0], filter, b[1], convolution,
          kPrecomputedGemm, b[3], kBufferBytes, &zero, y, b[2]);
    };
  };
  return {
      {"cudnnConvolutionForward float", {"x", "w", "y"}, convolution(0, kDnnFloat)},
      {"cudnnConvolutionForward half NHWC", {"x", "w", "y"}, convolution(kNhwc, kDnnHalf)},
      {"cudnnSoftmaxForward",
       {"x", "y"},
       [&dnn, handle, tensor](const Buffers& b) {
         void* shape = tensor(0, kDnnFloat, 64, 1000, 1, 1);
         dnn("cudnnSoftmaxForward", handle, 1, 1, &one, shape, b[0], &zero, shape, b[1]);
       }},
  };
}

struct Tally {
  unsigned kernels = 0, known = 0, extra = 0, works = 0, all_seen = 0;
};

// True when every operand was seen.
bool observe(Report& report, const Work& work, const Buffers& buffers, Tally& tally) {
  const Observer& observer = *find_observer();
  std::vector<Watched> watched;
  for (size_t i = 0; i < work.operands.size(); ++i) {
    auto begin = reinterpret_cast<uint64_t>(buffers[i]);
    watched.push_back({begin, begin + kBufferBytes});
  }
  observer.watch(watched.data(), watched.size());
  try {
    work.run(buffers);
    cu().cuCtxSynchronize();
  } catch (const std::exception& error) {
    report.fact(work.name, {{"error", error.what()}});
    return false;
  }
  std::vector<ObservedKernel> kernels(256);
  kernels.resize(std::min(kernels.size(), observer.kernels(kernels.data(), kernels.size())));
  json list = json::array();
  unsigned seen = 0, seen_odd = 0;
  for (const ObservedKernel& kernel : kernels) {
    bool known = !kernel.function_layout || !kernel.kernel_layout;
    list.push_back({{"kernel", kernel.name},
                    {"door", kernel.door},
                    {"cuFuncGetParamInfo", kernel.function_layout},
                    {"cuKernelGetParamInfo", kernel.kernel_layout},
                    {"parameters", kernel.parameters},
                    {"bytes", kernel.bytes},
                    {"extra", kernel.extra},
                    {"launches", kernel.launches}});
    ++tally.kernels;
    tally.known += known;
    tally.extra += kernel.extra;
    seen |= kernel.seen;
    seen_odd |= kernel.seen_odd;
  }
  json operands;
  bool all = true;
  for (size_t i = 0; i < work.operands.size(); ++i) {
    bool here = seen >> i & 1;
    all = all && here;
    operands[work.operands[i]] = here                ? "seen"
                                 : seen_odd >> i & 1 ? "seen only at an odd multiple of 4"
                                                     : "NOT seen";
  }
  ++tally.works;
  tally.all_seen += all;
  report.fact(work.name, {{"operands", operands}, {"kernels", list}});
  return all;
}

}  // namespace

Verdict library_parameters(Gpu& gpu, Report& report) {
  Buffers buffers;
  std::vector<Memory> memory;
  for (int i = 0; i < 5; ++i) {
    memory.emplace_back(kBufferBytes);
    cu().cuMemsetD8Async(memory.back(), 0, kBufferBytes, nullptr);
    buffers.push_back(reinterpret_cast<void*>(static_cast<CUdeviceptr>(memory.back())));
  }
  cu().cuCtxSynchronize();
  // The instrument first: our own launch, through the same doors.
  Tally control, tally;
  Work own{"control (a launch of our own)", {"a", "b", "c", "d"}, [&](const Buffers& b) {
             gpu.kernels().nop4.launch(1, 1, nullptr, b[0], b[1], b[2],
                                       static_cast<char*>(b[3]) + 4096);
           }};
  if (!observe(report, own, buffers, control))
    throw std::runtime_error("the observer does not see the addresses of a launch of our own");
  // Each library on its own: one that is missing or will not start is a fact, not the end.
  auto with = [&](const char* what, std::initializer_list<const char*> names, auto&& body) {
    Library library(names);
    if (!library) return report.fact(what, "not here: " + library.reason());
    try {
      body(library);
    } catch (const std::exception& error) {
      report.fact(what, error.what());
    }
  };
  with("cuBLAS", {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}, [&](const Library& blas) {
    void* handle = nullptr;
    blas("cublasCreate_v2", &handle);
    for (const Work& work : blas_works(blas, handle)) observe(report, work, buffers, tally);
  });
  with("cuDNN", {"libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"}, [&](const Library& dnn) {
    void* handle = nullptr;
    dnn("cudnnCreate", &handle);
    for (const Work& work : dnn_works(dnn, handle)) observe(report, work, buffers, tally);
  });
  with("cuFFT", {"libcufft.so.12", "libcufft.so.11", "libcufft.so"}, [&](const Library& fft) {
    int plan = 0;
    constexpr int kComplexToComplex = 0x29, kForward = -1;
    fft("cufftPlan1d", &plan, 1 << 20, kComplexToComplex, 1);
    observe(report,
            {"cufftExecC2C",
             {"in", "out"},
             [&](const Buffers& b) { fft("cufftExecC2C", plan, b[0], b[1], kForward); }},
            buffers, tally);
  });
  if (!tally.kernels) throw CudaError("cuBLAS, cuDNN and cuFFT", CUDA_ERROR_NOT_SUPPORTED);
  return {fmt::format(
              "layout known for {} of {} kernels ({} launched with one flat buffer); all operands "
              "seen in the parameters in {} of {} calls",
              tally.known, tally.kernels, tally.extra, tally.all_seen, tally.works),
          tally.known == tally.kernels
              ? "The scan sees what libraries pass by value; what it misses is listed per call "
                "(arrays of "
                "pointers are expected to be)."
              : "Some kernels have no layout: their launches must count as touching everything."};
}

}  // namespace probe
