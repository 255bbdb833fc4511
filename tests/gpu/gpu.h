// SPDX-License-Identifier: Apache-2.0
// What the probes share: the device, its kernels, and owners for streams, events and memory, so
// that a probe that fails half way leaves nothing mapped.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/gpu/driver.h"

namespace probe {

inline constexpr size_t kMiB = 1 << 20;
inline constexpr size_t kGiB = 1 << 30;

inline double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
template <class Body>
double timed_us(Body&& body) {
  double begin = now_us();
  body();
  return now_us() - begin;
}

// Where the physical memory of a VMM handle is.
enum class Place { Device, HostNuma, Host };
inline constexpr Place kPlaces[] = {Place::Device, Place::HostNuma, Place::Host};
const char* name_of(Place place);

struct Kernel {
  CUfunction function = nullptr;
  template <class... P>
  void launch(unsigned blocks, unsigned threads, CUstream stream, P... arguments) const {
    void* parameters[] = {&arguments..., nullptr};
    cu().cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, parameters, nullptr);
  }
};

struct Kernels {
  Kernel nop, nop4, mixed, fill, check, add, spin, spin_reading, busy, read_all, write_all, hash128;
};

class Gpu {
 public:
  // Device 0's primary context, current on the calling thread. `small`: a simulator's sizes.
  explicit Gpu(bool small);
  void enter_thread() const { cu().cuCtxSetCurrent(context_); }

  CUdevice device() const { return device_; }
  bool small() const { return small_; }
  size_t bytes(size_t wanted) const { return small_ ? std::min<size_t>(wanted, 4 * kMiB) : wanted; }
  int repeats(int wanted) const { return small_ ? std::min(wanted, 3) : wanted; }
  int attribute(CUdevice_attribute which) const;  // -1 when this driver does not know it
  unsigned blocks() const { return blocks_; }     // that fill the device
  const Kernels& kernels() const { return kernels_; }
  CUmemAllocationProp properties(Place place) const;
  CUmemAccessDesc access() const;
  bool supports(Place place) const;  // tried, not asked

  // One kernel over the whole of [address, address + bytes); fill and check agree by `seed`.
  void fill(CUdeviceptr address, size_t bytes, uint64_t seed, CUstream stream = nullptr) const;
  // Words that differ from what fill(seed) wrote; waits for the stream.
  uint64_t mismatches(CUdeviceptr address, size_t bytes, uint64_t seed,
                      CUstream stream = nullptr) const;
  void start_check(CUdeviceptr address, size_t bytes, uint64_t seed, CUdeviceptr counter,
                   CUstream stream) const;

 private:
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
  bool small_ = false;
  unsigned blocks_ = 1;
  Kernels kernels_;
};

uint64_t pattern(uint64_t seed, uint64_t index);  // as in kernels.cu

// Owner<Traits>: a handle and the call that gives it back; failures while giving back are ignored,
// because they follow a failure that has been reported.
template <class Handle, void (*Release)(Handle)>
class Owner {
 public:
  explicit Owner(Handle handle) : handle_(handle) {}
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owner() {
    if (handle_) Release(handle_);
  }
  operator Handle() const { return handle_; }

 private:
  Handle handle_;
};

void release_stream(CUstream stream);
void release_event(CUevent event);
void release_exec(CUgraphExec exec);
void release_handle(CUmemGenericAllocationHandle handle);
void release_device(CUdeviceptr address);
void release_host(void* address);

struct Stream : Owner<CUstream, release_stream> {
  Stream();  // non-blocking
};
struct Event : Owner<CUevent, release_event> {
  explicit Event(unsigned flags = CU_EVENT_DEFAULT);
};
struct Memory : Owner<CUdeviceptr, release_device> {  // cuMemAlloc
  explicit Memory(size_t bytes);
};
struct HostMemory : Owner<void*, release_host> {  // cuMemHostAlloc, device-mapped, zeroed
  explicit HostMemory(size_t bytes);
  CUdeviceptr device() const;
  template <class T>
  T* as() const {
    return static_cast<T*>(static_cast<void*>(*this));
  }
};
struct Chunk : Owner<CUmemGenericAllocationHandle, release_handle> {  // cuMemCreate
  Chunk(const Gpu& gpu, Place place, size_t bytes);
};
struct Graph : Owner<CUgraphExec, release_exec> {
  // Captures what `record` enqueues on the stream it is given.
  template <class Record>
  explicit Graph(Record&& record) : Owner(capture(std::forward<Record>(record))) {}

 private:
  template <class Record>
  static CUgraphExec capture(Record&& record) {
    Stream stream;
    cu().cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED);
    record(static_cast<CUstream>(stream));
    CUgraph graph = nullptr;
    cu().cuStreamEndCapture(stream, &graph);
    CUgraphExec exec = nullptr;
    CUresult result = cu().cuGraphInstantiateWithFlags.attempt(&exec, graph, 0);
    cu().cuGraphDestroy.attempt(graph);
    if (result != CUDA_SUCCESS) throw CudaError(cu().cuGraphInstantiateWithFlags.name(), result);
    return exec;
  }
};

// An address range of its own, in which chunks are mapped and unmapped.
class Range {
 public:
  explicit Range(size_t bytes);
  ~Range();
  Range(const Range&) = delete;
  CUdeviceptr at(size_t offset = 0) const { return address_ + offset; }
  void map(const Gpu& gpu, CUmemGenericAllocationHandle handle, size_t bytes, size_t offset = 0);
  void unmap(size_t bytes, size_t offset = 0);

 private:
  CUdeviceptr address_ = 0;
  size_t bytes_;
  std::vector<std::pair<size_t, size_t>> mapped_;  // offset, bytes
};

// Milliseconds on the GPU between two points of a stream.
class Stopwatch {
 public:
  void start(CUstream stream) { cu().cuEventRecord(begin_, stream); }
  void stop(CUstream stream) { cu().cuEventRecord(end_, stream); }
  double ms() const;

 private:
  Event begin_, end_;
};

inline double gb_per_s(double bytes, double ms) {
  return ms > 0 ? bytes / ms / 1e6 : 0;
}

}  // namespace probe
