// SPDX-License-Identifier: Apache-2.0
// What each host thread of the simulated program did, in virtual time: its calls by kind, its own
// work in the driver, and how long it was blocked there. The exit report has it as `threads`, and
// as `snapshots` for those moments at which the program called
//
//   void simcuda_snapshot(const char* name);   // found by dlsym in libcuda.so.1
//
// which waits until all submitted work has ended and writes down every thread's and every engine's
// totals. The difference of two snapshots is what happened between them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sim {

struct Stamp;

// Kinds of calls that are counted for each thread.
enum class CallKind { Launch, Wait, Create, Map, SetAccess, Unmap, Release, Other };
constexpr int kCallKinds = 7;
constexpr const char* kCallKindNames[kCallKinds] = {"launch",     "wait",  "create", "map",
                                                    "set_access", "unmap", "release"};

constexpr CallKind kind_of_call(std::string_view symbol) {
  using enum CallKind;
  if (symbol == "cuMemCreate") return Create;
  if (symbol == "cuMemMap") return Map;
  if (symbol == "cuMemSetAccess") return SetAccess;
  if (symbol == "cuMemUnmap") return Unmap;
  if (symbol == "cuMemRelease") return Release;
  if (symbol.starts_with("cuLaunch") || symbol.starts_with("cuGraphLaunch")) return Launch;
  if (symbol.find("Synchronize") != std::string_view::npos) return Wait;
  return Other;
}

// Never freed: cudart calls us after thread-local destructors ran, and what a thread did counts
// after its end. Without a note beside it, a field belongs to the scheduler's lock.
struct HostThread {
  std::shared_ptr<Stamp> last;  // the last point at which it learned something from the device
  bool started = false;
  double blocked_ns = 0;          // waits, beyond their own cost
  std::atomic<double> extra{0};   // own work since `last`; written by its thread, read by reports
  std::atomic<double> own_ns{0};  // own work in all; the same
  std::atomic<uint64_t> calls[kCallKinds] = {};  // the same
  char name[16] = "";                            // as the system knows it
  int id = 0;                                    // the system's; the process's own for the first
  HostThread* next = nullptr;
};

HostThread& this_host_thread();
HostThread* first_host_thread();
// Nanoseconds of its clock; exact once `last` is resolved.
double virtual_now(const HostThread& thread);
void count_host_call(CallKind kind);

}  // namespace sim
