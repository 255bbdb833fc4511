// SPDX-License-Identifier: Apache-2.0
// libgpu_launch_observer.so: see observer.h. It stands in for dlsym, because the static runtime
// inside cuBLAS and cuDNN looks the driver up by dlsym and cuGetProcAddress and never by a symbol
// of its own.
#include "tests/gpu/observer.h"

#include <cuda.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace probe {
namespace {

using Dlsym = void* (*)(void*, const char*);

Dlsym real_dlsym() {
  static Dlsym real = [] {
    // glibc's own names for it, newest first; x86-64 and aarch64 differ in the oldest.
    for (const char* version : {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"})
      if (void* found = dlvsym(RTLD_NEXT, "dlsym", version)) return reinterpret_cast<Dlsym>(found);
    return Dlsym{};
  }();
  return real;
}

template <class Function>
Function driver(const char* name) {
  static void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  return reinterpret_cast<Function>(real_dlsym()(library, name));
}

struct State {
  std::mutex lock;
  std::array<Watched, kMaxWatched> watched;
  size_t watched_count = 0;
  std::map<CUfunction, ObservedKernel> kernels;
  std::map<CUfunction, std::vector<std::pair<size_t, size_t>>> layouts;  // offset, size
};

State& state() {
  static State* state = new State;  // leaked: libraries launch until the very end
  return *state;
}

using ParamInfo = CUresult (*)(void*, size_t, size_t*, size_t*);

// Past the last parameter the driver answers INVALID_VALUE; that, with any parameter before it or
// none, is a layout that is known.
int read_layout(const char* call, void* handle, std::vector<std::pair<size_t, size_t>>* out) {
  auto info = driver<ParamInfo>(call);
  if (!info) return CUDA_ERROR_NOT_FOUND;
  out->clear();
  for (;;) {
    size_t offset = 0, size = 0;
    CUresult result = info(handle, out->size(), &offset, &size);
    if (result == CUDA_ERROR_INVALID_VALUE) return CUDA_SUCCESS;
    if (result != CUDA_SUCCESS) return result;
    out->emplace_back(offset, size);
  }
}

ObservedKernel& describe(State& s, CUfunction function) {
  auto [place, fresh] = s.kernels.try_emplace(function);
  ObservedKernel& kernel = place->second;
  if (!fresh) return kernel;
  const char* name = nullptr;
  auto function_name = driver<CUresult (*)(const char**, CUfunction)>("cuFuncGetName");
  auto kernel_name = driver<CUresult (*)(const char**, CUfunction)>("cuKernelGetName");
  if (!function_name || function_name(&name, function) != CUDA_SUCCESS)
    if (!kernel_name || kernel_name(&name, function) != CUDA_SUCCESS) name = "?";
  std::strncpy(kernel.name, name, sizeof kernel.name - 1);
  auto& fields = s.layouts[function];
  std::vector<std::pair<size_t, size_t>> as_kernel;
  kernel.function_layout = read_layout("cuFuncGetParamInfo", function, &fields);
  kernel.kernel_layout = read_layout("cuKernelGetParamInfo", function, &as_kernel);
  // A driver may refuse the other kind of handle with the answer that also means "past the end".
  if (as_kernel.size() > fields.size()) fields = as_kernel;
  kernel.parameters = static_cast<unsigned>(fields.size());
  for (auto [offset, size] : fields)
    kernel.bytes = std::max(kernel.bytes, static_cast<unsigned>(offset + size));
  return kernel;
}

void scan(const State& s, ObservedKernel& kernel, const void* data, size_t offset, size_t size) {
  // Aligned as in the parameter block, wherever the host keeps the bytes.
  for (size_t at = (8 - offset % 8) % 4; at + 8 <= size; at += 4) {
    uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(data) + at, 8);
    for (size_t k = 0; k < s.watched_count; ++k)
      if (word >= s.watched[k].begin && word < s.watched[k].end)
        ((offset + at) % 8 ? kernel.seen_odd : kernel.seen) |= 1u << k;
  }
}

void observe(const char* door, CUfunction function, void** params, void** extra) {
  State& s = state();
  std::lock_guard held(s.lock);
  ObservedKernel& kernel = describe(s, function);
  kernel.door = door;
  ++kernel.launches;
  if (params) {
    const auto& fields = s.layouts[function];
    for (size_t i = 0; i < fields.size(); ++i)
      scan(s, kernel, params[i], fields[i].first, fields[i].second);
    return;
  }
  const void* buffer = nullptr;
  size_t size = 0;
  for (void** item = extra; item && *item != CU_LAUNCH_PARAM_END; item += 2) {
    if (*item == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = item[1];
    if (*item == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<size_t*>(item[1]);
  }
  if (!buffer) return;
  kernel.extra = true;
  scan(s, kernel, buffer, 0, size);
}

// Where a door leads: the legacy and the per-thread form of one call are two functions of the
// driver.
enum Door { Kernel, KernelPerThread, Ex, ExPerThread, Cooperative, CooperativePerThread, Lookup };
std::array<void*, 7> real{};

template <Door door>
CUresult launch_kernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                       unsigned by, unsigned bz, unsigned shared, CUstream stream, void** params,
                       void** extra) {
  observe("cuLaunchKernel", f, params, extra);
  return reinterpret_cast<decltype(&::cuLaunchKernel)>(real[door])(f, gx, gy, gz, bx, by, bz,
                                                                   shared, stream, params, extra);
}

template <Door door>
CUresult launch_ex(const CUlaunchConfig* config, CUfunction f, void** params, void** extra) {
  observe("cuLaunchKernelEx", f, params, extra);
  return reinterpret_cast<decltype(&::cuLaunchKernelEx)>(real[door])(config, f, params, extra);
}

template <Door door>
CUresult launch_cooperative(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                            unsigned by, unsigned bz, unsigned shared, CUstream stream,
                            void** params) {
  observe("cuLaunchCooperativeKernel", f, params, nullptr);
  return reinterpret_cast<decltype(&::cuLaunchCooperativeKernel)>(real[door])(
      f, gx, gy, gz, bx, by, bz, shared, stream, params);
}

CUresult look_up(const char* symbol, void** out, int version, cuuint64_t flags,
                 CUdriverProcAddressQueryResult* status);

// Our body for what the driver returned for `name`; `found` itself for every other name.
void* stand_in(std::string_view name, bool per_thread, void* found) {
  struct Row {
    std::string_view name;
    bool per_thread;
    Door door;
    void* body;
  };
  static const Row rows[] = {
      {"cuLaunchKernel", false, Kernel, reinterpret_cast<void*>(&launch_kernel<Kernel>)},
      {"cuLaunchKernel", true, KernelPerThread,
       reinterpret_cast<void*>(&launch_kernel<KernelPerThread>)},
      {"cuLaunchKernelEx", false, Ex, reinterpret_cast<void*>(&launch_ex<Ex>)},
      {"cuLaunchKernelEx", true, ExPerThread, reinterpret_cast<void*>(&launch_ex<ExPerThread>)},
      {"cuLaunchCooperativeKernel", false, Cooperative,
       reinterpret_cast<void*>(&launch_cooperative<Cooperative>)},
      {"cuLaunchCooperativeKernel", true, CooperativePerThread,
       reinterpret_cast<void*>(&launch_cooperative<CooperativePerThread>)},
      {"cuGetProcAddress", false, Lookup, reinterpret_cast<void*>(&look_up)},
  };
  for (const Row& row : rows)
    if (row.name == name && row.per_thread == per_thread) {
      real[row.door] = found;
      return row.body;
    }
  return found;
}

CUresult look_up(const char* symbol, void** out, int version, cuuint64_t flags,
                 CUdriverProcAddressQueryResult* status) {
  CUresult result =
      reinterpret_cast<decltype(&look_up)>(real[Lookup])(symbol, out, version, flags, status);
  // The four-argument form of before 12.0 is another function: left alone.
  bool old_lookup = std::string_view(symbol) == "cuGetProcAddress" && version < 12000;
  if (result == CUDA_SUCCESS && out && *out && !old_lookup)
    *out = stand_in(symbol, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, *out);
  return result;
}

void watch(const Watched* ranges, size_t count) {
  State& s = state();
  std::lock_guard held(s.lock);
  s.watched_count = std::min(count, kMaxWatched);
  std::copy_n(ranges, s.watched_count, s.watched.begin());
  s.kernels.clear();
  s.layouts.clear();
}

size_t kernels(ObservedKernel* out, size_t capacity) {
  State& s = state();
  std::lock_guard held(s.lock);
  size_t index = 0;
  for (const auto& [function, kernel] : s.kernels)
    if (index < capacity) out[index++] = kernel;
  return s.kernels.size();
}

}  // namespace
}  // namespace probe

extern "C" __attribute__((visibility("default")))
const probe::Observer gpu_launch_observer = {probe::watch, probe::kernels};

extern "C" __attribute__((visibility("default"))) void* dlsym(void* handle,
                                                              const char* name) noexcept {
  auto real = probe::real_dlsym();
  if (std::strncmp(name, "cuLaunch", 8) != 0 && std::strcmp(name, "cuGetProcAddress_v2") != 0)
    return real(handle, name);  // a tail call, so that RTLD_NEXT still means the caller's next
  void* found = real(handle, name);
  if (!found) return found;
  std::string_view symbol = name;
  bool per_thread = symbol.ends_with("_ptsz");
  if (per_thread) symbol.remove_suffix(5);
  if (symbol.ends_with("_v2")) symbol.remove_suffix(3);
  return probe::stand_in(symbol, per_thread, found);
}
