// SPDX-License-Identifier: Apache-2.0
// The seam between interpose/ and runtime/: everything an intercepted call may ask for, and nothing
// about hooks. Every function is noexcept, may be called from any thread at any time after
// Manager::start, and answers with the CUresult that the application should see.
//
// "submit" arguments are callables that make the application's own driver call, with its own
// arguments, and return its CUresult; the Manager decides when it is safe. It is called once, and a
// second time only after OUT_OF_MEMORY, when memory could be freed for it.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "runtime/access.h"
#include "runtime/driver.h"
#include "runtime/hidden.h"

namespace spillway {

struct Config;

class Engine;
struct Range;
struct StreamState;
struct Use;
class Submission;

class Manager {
 public:
  // Starts the memory manager of this process, once, in a thread with a current context. Null and a
  // log line when the machine cannot be served (reason named); the caller then passes everything
  // through. The driver table must be complete by then. Leaked on purpose.
  static Manager* start(const Driver& driver, const Config& config) noexcept;

  // --- allocation: served, or passed to the driver and accounted --------------------------------
  CUresult allocate(CUdeviceptr* out, size_t bytes) noexcept;
  CUresult allocate_pitch(CUdeviceptr* out, size_t* pitch, size_t width, size_t height,
                          unsigned element) noexcept;
  // pool: null means the device's current pool (cuMemAllocAsync).
  CUresult allocate_async(CUdeviceptr* out, size_t bytes, CUmemoryPool pool,
                          StreamRef stream) noexcept;
  CUresult release(CUdeviceptr address) noexcept;
  CUresult release_async(CUdeviceptr address, StreamRef stream) noexcept;

  // What the driver is given back at first when it has no memory for itself, then twice as much: a
  // lazily loaded module is a few MiB, local memory of a large kernel may be GiB.
  static constexpr uint64_t kRelief = 8 << 20;

  // A call that makes the driver allocate for itself (a module, an array, the application's own
  // handles): where it has no memory, some of ours is given back and it is called again.
  template <class Submit>
  CUresult with_relief(Submit&& submit) noexcept {
    CUresult result = submit();
    if (result != CUDA_ERROR_OUT_OF_MEMORY) return result;
    for (uint64_t relief = kRelief; result == CUDA_ERROR_OUT_OF_MEMORY && relieve_device(relief);
         relief *= 2)
      result = submit();
    relief_over();
    return result;
  }

  // --- use --------------------------------------------------------------------------------------
  // A kernel launch: makes what its arguments name usable, submits, and remembers the use.
  template <class Submit>
  CUresult launch(CUfunction function, void** params, void** extra, StreamRef stream,
                  Submit&& submit) noexcept;
  // A launch whose arguments cannot be read (legacy cuParamSet*, multi-device cooperative).
  template <class Submit>
  CUresult launch_unknown(StreamRef stream, Submit&& submit) noexcept;
  // Copies, sets and stream memory operations: what they name stays put while they run.
  template <class Submit>
  CUresult touch(std::initializer_list<Access> accesses, StreamRef stream,
                 Submit&& submit) noexcept {
    return touch(std::span<const Access>(accesses.begin(), accesses.size()), stream,
                 static_cast<Submit&&>(submit));
  }
  template <class Submit>
  CUresult touch(std::span<const Access> accesses, StreamRef stream, Submit&& submit) noexcept;
  // `submit` puts these bytes into memory. Ranges whose addresses are among them are held still
  // first, and those whose addresses are overwritten by it let go. OUT_OF_MEMORY, with nothing
  // submitted: a range that a kernel could reach unseen from now on cannot be kept usable.
  template <class Submit>
  CUresult rewrite(std::span<const Rewrite> rewrites, StreamRef stream, Submit&& submit) noexcept;
  // The same for what the copy nodes of a graph put into memory when it is launched.
  template <class Submit>
  CUresult graph_rewrite(CUgraphExec exec, Submit&& submit) noexcept;

  // The contexts of both ends, when one of them is a range that the current device cannot reach: a
  // copy must then say where each lies. To memory of cuMemAlloc the driver would find by itself.
  struct Ends {
    CUcontext to = nullptr, from = nullptr;
  };
  bool out_of_reach(CUdeviceptr to, CUdeviceptr from, Ends* ends) noexcept;

  // --- stillness --------------------------------------------------------------------------------
  // True when the address lies in a range of ours. Cheap, lock-free.
  bool serves(CUdeviceptr address) const noexcept;
  // The range at `address` stops moving for the rest of its life, resident on the device with its
  // bytes in place. CUDA_SUCCESS also when it is not ours; OUT_OF_MEMORY when it cannot be fetched.
  CUresult pin(CUdeviceptr address, PinReason reason) noexcept;
  // The same until the object of the driver that uses the range is gone; `submit` makes it, and
  // with success it is in *object.
  template <class Submit>
  CUresult pin_for(Hidden::Kind kind, const unsigned long long* object, CUdeviceptr address,
                   PinReason reason, Submit&& submit) noexcept;
  void unpin_for(Hidden::Kind kind, uint64_t object) noexcept;
  // The object gave the range to somebody whose end is not seen.
  void pin_for_good(Hidden::Kind kind, uint64_t object) noexcept;
  // Where a module's variable is: what it holds goes with the module.
  void variable_found(const void* module, CUdeviceptr address, size_t bytes) noexcept;

  // The driver looks at the memory of these operands while `submit` makes or changes a graph node:
  // for the length of the call they are on the device. OUT_OF_MEMORY when they cannot be anywhere.
  template <class Submit>
  CUresult hold(std::span<const Access> accesses, Submit&& submit) noexcept;
  // The same for everything that the copy, set and memory-operation nodes of a graph name.
  template <class Submit>
  CUresult hold_graph(CUgraph graph, Submit&& submit) noexcept;

  // --- graphs -----------------------------------------------------------------------------------
  // After a successful instantiate (any form) or whole-graph update: reads the graph's nodes.
  void graph_instantiated(CUgraphExec exec, CUgraph graph) noexcept;
  // After one node of an executable graph got new parameters: what it names is added.
  void graph_exec_kernel(CUgraphExec exec, CUfunction function, void** params,
                         void** extra) noexcept;
  void graph_exec_memory(CUgraphExec exec, std::span<const Access> accesses,
                         std::span<const Rewrite> rewrites) noexcept;
  void graph_exec_child(CUgraphExec exec, CUgraph child) noexcept;
  void graph_exec_destroyed(CUgraphExec exec) noexcept;  // before the driver's own destroy
  template <class Submit>
  CUresult graph_launch(CUgraphExec exec, StreamRef stream, Submit&& submit) noexcept;

  // --- capture: what a capturing stream is given is recorded, not run ----------------------------
  template <class Submit>
  CUresult begin_capture(StreamRef stream, Submit&& submit) noexcept;
  template <class Submit>
  CUresult end_capture(Submit&& submit) noexcept;

  // --- queries: as for an ordinary allocation ---------------------------------------------------
  CUresult mem_info(size_t* free, size_t* total) noexcept;
  CUresult total_memory(size_t* bytes, CUdevice device) noexcept;
  CUresult address_range(CUdeviceptr* base, size_t* size, CUdeviceptr address) noexcept;
  CUresult pointer_attribute(void* data, CUpointer_attribute attribute,
                             CUdeviceptr address) noexcept;
  CUresult pointer_attributes(unsigned count, CUpointer_attribute* attributes, void** data,
                              CUdeviceptr address) noexcept;

  // --- lives of other things --------------------------------------------------------------------
  void stream_destroying(CUstream stream) noexcept;          // before the driver's destroy
  void context_destroying(CUcontext context) noexcept;       // before destroy
  void primary_context_resetting(CUdevice device) noexcept;  // before reset or the last release
  void context_switched() noexcept;                   // after any call that changed the current one
  void module_unloaded(const void* module) noexcept;  // or library: handles may be reused
  // The application's own cuMemCreate/cuMemRelease, accounted against the budget, never moved.
  void application_created(CUmemGenericAllocationHandle handle, size_t bytes,
                           const CUmemAllocationProp& properties) noexcept;
  void application_released(CUmemGenericAllocationHandle handle) noexcept;

 private:
  explicit Manager(Engine& engine) : engine_(engine) {}
  CUresult launch_slowly(CUfunction function, void** params, void** extra, StreamRef stream,
                         Submission submit) noexcept;
  // A use by a launch of a range with seams, from inside a gate. False: not all of it is settled.
  static bool use_joined(Range& at, CUdeviceptr address, StreamState& stream, Use use,
                         bool shared) noexcept;
  CUresult launch_anything(StreamRef stream, Submission submit) noexcept;
  CUresult touch_slowly(std::span<const Access> accesses, StreamRef stream,
                        Submission submit) noexcept;
  CUresult hold_slowly(std::span<const Access> accesses, Submission submit) noexcept;
  CUresult rewrite_slowly(std::span<const Rewrite> rewrites, StreamRef stream,
                          Submission submit) noexcept;
  CUresult pin_object(Hidden::Kind kind, const unsigned long long* object, CUdeviceptr address,
                      PinReason reason, Submission submit) noexcept;
  CUresult rewrite_by_graph(CUgraphExec exec, Submission submit) noexcept;
  CUresult hold_nodes(CUgraph graph, Submission submit) noexcept;
  CUdeviceptr as_seen_from_outside(CUdeviceptr address) const noexcept;
  // From inside the thread's gate.
  void tell_launch(CUfunction function, void** params, void** extra,
                   const StreamState& stream) noexcept;
  // The policy is told of it. Outside the gate.
  void watch_launch(CUfunction function, void** params, void** extra) noexcept;
  bool relieve_device(uint64_t bytes) noexcept;
  void relief_over() noexcept;
  void capture_begins(StreamRef stream) noexcept;
  CUresult launch_graph(CUgraphExec exec, StreamRef stream, Submission submit) noexcept;

  Engine& engine_;
};

}  // namespace spillway

#include "runtime/manager_inline.h"
