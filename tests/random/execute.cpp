// SPDX-License-Identifier: Apache-2.0
#include "tests/random/execute.h"

#include <sys/mman.h>
#include <unistd.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/random/digest.h"

namespace random_program {
namespace {

// Which operation a thread is at, for the line that tells of a failure.
thread_local std::string current_operation = "setting up";

}  // namespace

char* Scratch::of(size_t bytes) {
  constexpr size_t kHuge = size_t{2} << 20;
  const size_t needed = (bytes + kHuge - 1) / kHuge * kHuge;
  if (needed > size_) {
    memory_.reset(static_cast<char*>(std::aligned_alloc(kHuge, needed)));
    madvise(memory_.get(), needed, MADV_HUGEPAGE);
    size_ = needed;
  }
  return memory_.get();
}

Executor::Executor(const Plan& plan, std::string dump_directory)
    : plan_(plan),
      dump_directory_(std::move(dump_directory)),
      buffers_(plan.buffers.size()),
      arrays_(plan.arrays.size()),
      textures_(static_cast<size_t>(plan.textures)),
      hosts_(plan.hosts.size()),
      streams_(plan.streams.size()),
      events_(plan.events.size()),
      graphs_(static_cast<size_t>(plan.graphs)) {}

void Executor::check(CUresult result, const char* call) const {
  if (result == CUDA_SUCCESS) return;
  const char* name = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) name = "unknown error";
  std::fprintf(stderr, "random_program: seed %llu: %s: %s: %s\n",
               static_cast<unsigned long long>(plan_.seed), current_operation.c_str(), call, name);
  std::fflush(stderr);
  _exit(result == CUDA_ERROR_OUT_OF_MEMORY ? kExitOutOfMemory : kExitFailed);
}

void Executor::set_up() {
  set_up_contexts();
  set_up_arrays();
  for (size_t i = 0; i < hosts_.size(); ++i) {
    const size_t bytes = plan_.hosts[i].bytes;
    switch (plan_.hosts[i].kind) {
      case HostKind::Pinned:
        check(cuMemHostAlloc(&hosts_[i], bytes, CU_MEMHOSTALLOC_PORTABLE), "cuMemHostAlloc");
        break;
      case HostKind::PinnedOld:
        check(cuMemAllocHost(&hosts_[i], bytes), "cuMemAllocHost");
        break;
      case HostKind::Registered:
        hosts_[i] = std::aligned_alloc(4096, bytes);
        check(cuMemHostRegister(hosts_[i], bytes, 0), "cuMemHostRegister");
        break;
      case HostKind::Pageable:
        hosts_[i] = std::malloc(bytes);
        break;
    }
  }
}

std::string Executor::run() {
  set_up();
  std::string seen;
  std::vector<Turn> turns(static_cast<size_t>(plan_.threads));
  size_t phase = 0;
  // All start a phase together and none starts the next one before all are done.
  const auto next_phase = [&]() noexcept {
    for (Turn& turn : turns) {
      seen += turn.seen;
      turn.seen.clear();
    }
    ++phase;
  };
  std::barrier barrier(plan_.threads, next_phase);
  const auto play = [&](int thread) {
    turns[static_cast<size_t>(thread)].thread = thread;
    while (phase < plan_.phases.size()) {
      const auto& mine = plan_.phases[phase].threads;
      if (static_cast<size_t>(thread) < mine.size()) {
        Turn& turn = turns[static_cast<size_t>(thread)];
        for (const Operation& operation : mine[static_cast<size_t>(thread)]) {
          enter(plan_.streams[operation.stream].context);
          current_operation = text("phase %zu thread %d operation %zu", phase, thread, turn.index);
          std::visit([&](const auto& work) { perform(turn, operation, work); }, operation.work);
          ++turn.index;
        }
      }
      barrier.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < plan_.threads; ++thread) {
    others.emplace_back(play, thread);
  }
  play(0);
  for (std::thread& other : others) other.join();
  return seen;
}

const Calls& Executor::calls(const Operation& operation) const {
  const auto synchronous = [](const auto& work) {
    if constexpr (requires { work.async; }) return !work.async;
    return false;
  };
  // A synchronous call has no stream argument: only its name says which default stream it uses.
  const bool per_thread = plan_.streams[operation.stream].kind == StreamKind::PerThread;
  const bool by_name = operation.per_thread || std::visit(synchronous, operation.work);
  return per_thread && by_name ? kPerThreadCalls : kPlainCalls;
}

CUstream Executor::stream(const Operation& operation) const {
  return operation.per_thread ? nullptr : streams_[operation.stream];
}

CUdeviceptr Executor::device(const Access& access) const {
  return buffers_[access.index].address + access.offset;
}

CUcontext Executor::context_of(const Access& access) const {
  return contexts_[plan_.buffers[access.index].context].context;
}

const Executor::LiveContext& Executor::home(const Operation& operation) const {
  return contexts_[plan_.streams[operation.stream].context];
}

void* Executor::host(const Access& access) const {
  return static_cast<char*>(hosts_[access.index]) + access.offset;
}

void Executor::perform(Turn&, const Operation& operation, const Allocate& work) {
  const Buffer& buffer = plan_.buffers[work.buffer];
  LiveBuffer& live = buffers_[work.buffer];
  switch (buffer.source) {
    case Source::Plain:
      return check(cuMemAlloc(&live.address, buffer.bytes), "cuMemAlloc");
    case Source::Async:
      return check(calls(operation).alloc_async(&live.address, buffer.bytes, stream(operation)),
                   "cuMemAllocAsync");
    case Source::DefaultPool:
    case Source::OwnPool:
      return check(calls(operation).alloc_from_pool(&live.address, buffer.bytes,
                                                    buffer.source == Source::OwnPool
                                                        ? home(operation).own_pool
                                                        : home(operation).default_pool,
                                                    stream(operation)),
                   "cuMemAllocFromPoolAsync");
    case Source::Mapped:
      return map(buffer, &live);
    case Source::Graph:
      return;  // its graph's nodes do it
    case Source::Pitch:
      return check(cuMemAllocPitch(&live.address, &live.pitch, buffer.width, buffer.height, 4),
                   "cuMemAllocPitch");
  }
}

namespace {

CUmemAllocationProp on_device(CUdevice device) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {device}};
  return properties;
}

constexpr size_t kMapped = size_t{2} << 20;  // the granularity of every device seen
size_t mapped_bytes(const Buffer& buffer) {
  return (buffer.bytes + kMapped - 1) / kMapped * kMapped;
}

}  // namespace

// As frameworks with address space of their own do it.
void Executor::map(const Buffer& buffer, LiveBuffer* live) const {
  const size_t bytes = mapped_bytes(buffer);
  const int device = plan_.contexts[buffer.context].device;
  const CUmemAllocationProp properties = on_device(devices_[device]);
  std::vector<CUmemAccessDesc> access;
  for (int other = 0; other < plan_.devices; ++other) {
    if (other == device || plan_.peers)
      access.push_back({on_device(devices_[other]).location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
  }
  check(cuMemAddressReserve(&live->address, bytes, 0, 0, 0), "cuMemAddressReserve");
  check(cuMemCreate(&live->handle, bytes, &properties, 0), "cuMemCreate");
  check(cuMemMap(live->address, bytes, 0, live->handle, 0), "cuMemMap");
  check(cuMemSetAccess(live->address, bytes, access.data(), access.size()), "cuMemSetAccess");
}

void Executor::unmap(const Buffer& buffer, const LiveBuffer& live) const {
  check(cuMemUnmap(live.address, mapped_bytes(buffer)), "cuMemUnmap");
  check(cuMemRelease(live.handle), "cuMemRelease");
  check(cuMemAddressFree(live.address, mapped_bytes(buffer)), "cuMemAddressFree");
}

void Executor::perform(Turn&, const Operation& operation, const Release& work) {
  const CUdeviceptr address = buffers_[work.buffer].address;
  if (work.async) {
    return check(calls(operation).free_async(address, stream(operation)), "cuMemFreeAsync");
  }
  if (plan_.buffers[work.buffer].source == Source::Mapped)
    return unmap(plan_.buffers[work.buffer], buffers_[work.buffer]);
  check(cuMemFree(address), "cuMemFree");
}

void Executor::perform(Turn&, const Operation&, const HostFill& work) {
  fill_pattern(host(work.target), work.target.bytes, work.seed);
}

void Executor::perform(Turn& turn, const Operation&, const HostCheck& work) {
  turn.seen += text("host %d offset %zu bytes %zu", work.target.index, work.target.offset,
                    work.target.bytes) +
               digest(host(work.target), work.target.bytes) + "\n";
}

// Orders live to the end: a graph may run its own any number of times.
Executor::HostOrder* Executor::host_order(const HostFunction& function) {
  return new HostOrder{host(function.target), function.target.bytes, function.seed};
}

void Executor::run_host_order(void* order) {
  const auto* todo = static_cast<const HostOrder*>(order);
  fill_pattern(todo->data, todo->bytes, todo->seed);
}

void Executor::perform(Turn&, const Operation& operation, const HostFunction& work) {
  check(calls(operation).host_function(stream(operation), run_host_order, host_order(work)),
        "cuLaunchHostFunc");
}

void Executor::perform(Turn&, const Operation& operation, const Record& work) {
  check(calls(operation).record(events_[work.event], stream(operation)), "cuEventRecord");
}

void Executor::perform(Turn&, const Operation& operation, const WaitEvent& work) {
  check(calls(operation).wait_event(stream(operation), events_[work.event], 0),
        "cuStreamWaitEvent");
}

void Executor::perform(Turn&, const Operation& operation, const HostWait& work) {
  const auto poll = [&](auto ask, const char* call) {
    CUresult result = CUDA_ERROR_NOT_READY;
    while ((result = ask()) == CUDA_ERROR_NOT_READY) std::this_thread::yield();
    check(result, call);
  };
  const CUstream on = stream(operation);
  switch (work.wait) {
    case Wait::Stream:
      return check(calls(operation).synchronize(on), "cuStreamSynchronize");
    case Wait::Event:
      return check(cuEventSynchronize(events_[work.event]), "cuEventSynchronize");
    case Wait::Context:
      return check(cuCtxSynchronize(), "cuCtxSynchronize");
    case Wait::StreamPoll:
      return poll([&] { return calls(operation).query(on); }, "cuStreamQuery");
    case Wait::EventPoll:
      return poll([&] { return cuEventQuery(events_[work.event]); }, "cuEventQuery");
  }
}

}  // namespace random_program
