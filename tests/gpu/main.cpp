// SPDX-License-Identifier: Apache-2.0
// gpu_probe: one question about this GPU and driver per run. gpu_check.py runs them all.
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "tests/gpu/observer.h"
#include "tests/gpu/probe.h"
#include "tests/support/arguments.h"

namespace {

using namespace probe;

// Exit statuses.
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kNoDevice = 3;

int list() {
  for (const Probe& probe : kProbes)
    std::puts(json{{"id", probe.id},
                   {"question", probe.question},
                   {"about", kQuestions[probe.question]},
                   {"seconds", probe.seconds},
                   {"may_kill_context", probe.kind == Kind::MayKillContext},
                   {"title", probe.title}}
                  .dump()
                  .c_str());
  return 0;
}

// The machine's identity and the attributes that the design looks at; no context is made.
int machine() {
  CUdevice device = 0;
  int count = 0, version = 0;
  char name[256] = "", bus[32] = "";
  size_t memory = 0;
  cu().cuInit(0);
  cu().cuDeviceGetCount(&count);
  if (!count) return kNoDevice;
  cu().cuDeviceGet(&device, 0);
  cu().cuDriverGetVersion(&version);
  cu().cuDeviceGetName(name, sizeof name, device);
  cu().cuDeviceGetPCIBusId.attempt(bus, sizeof bus, device);
  cu().cuDeviceTotalMem(&memory, device);
  json attributes;
  struct Row {
    const char* name;
    CUdevice_attribute attribute;
  } const rows[] = {
#define ATTRIBUTE(name) {#name, CU_DEVICE_ATTRIBUTE_##name}
    ATTRIBUTE(COMPUTE_CAPABILITY_MAJOR),
    ATTRIBUTE(COMPUTE_CAPABILITY_MINOR),
    ATTRIBUTE(MULTIPROCESSOR_COUNT),
    ATTRIBUTE(ASYNC_ENGINE_COUNT),
    ATTRIBUTE(VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
    ATTRIBUTE(HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED),
    ATTRIBUTE(HOST_NUMA_ID),
    ATTRIBUTE(HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
    ATTRIBUTE(PAGEABLE_MEMORY_ACCESS),
    ATTRIBUTE(PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES),
    ATTRIBUTE(CAN_USE_64_BIT_STREAM_MEM_OPS_V1),
    ATTRIBUTE(GPU_DIRECT_RDMA_SUPPORTED),
#if CUDA_VERSION >= 13000
    ATTRIBUTE(HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
#endif
#undef ATTRIBUTE
  };
  for (const Row& row : rows) {
    int value = 0;
    CUresult result = cu().cuDeviceGetAttribute.attempt(&value, row.attribute, device);
    if (result == CUDA_SUCCESS)
      attributes[row.name] = value;
    else
      attributes[row.name] = error_name(result);
  }
  std::puts(json{{"driver_library", cu().path},
                 {"driver_version", version},
                 {"header_version", CUDA_VERSION},
                 {"devices", count},
                 {"name", name},
                 {"pci", bus},
                 {"memory", memory},
                 {"attributes", attributes}}
                .dump()
                .c_str());
  return 0;
}

int run(const Probe& probe, bool small) {
  Report report(probe.id);
  double begin = now_us();
  auto end = [&](Status status, const Verdict& verdict) {
    report.end(status, verdict, (now_us() - begin) / 1e6);
    return status == Status::Failed ? kFailed : 0;
  };
  try {
    Gpu gpu(small);
    return end(Status::Ok, probe.run(gpu, report));
  } catch (const CudaError& error) {
    // An instruction that a device lacks is an answer as well.
    bool unsupported =
        error.result == CUDA_ERROR_NOT_SUPPORTED || error.result == CUDA_ERROR_ILLEGAL_INSTRUCTION;
    return end(unsupported ? Status::Unsupported : Status::Failed,
               {unsupported ? std::string("not supported here: ") + error.call : error.what(), ""});
  } catch (const std::exception& error) {
    return end(Status::Failed, {error.what(), ""});
  }
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments(
      "Answers one question about this GPU and its driver; one JSON object per line.");
  bool want_list = false, want_machine = false, small = false;
  std::string only;
  arguments.add("--list", want_list, "the probes, their questions and time limits");
  arguments.add("--machine", want_machine, "what this machine is (exit 3: no device)");
  arguments.add("--small", small, "sizes for a simulated GPU");
  arguments.add("--only", only, "the probe to run");
  arguments.need(1, 2);
  if (!arguments.parse(argc, argv)) return arguments.status();

  if (want_list) return list();
  const Probe* probe = std::ranges::find(kProbes, std::string_view(only),
                                         [](const Probe& p) { return std::string_view(p.id); });
  if (!want_machine && probe == std::end(kProbes)) {
    std::fprintf(stderr, "gpu_probe: no probe '%s'; see --list\n", only.c_str());
    return kUsage;
  }
  // Before the driver is opened: this process starts again.
  if (!want_machine && probe->kind == Kind::Observed && !restart_observed(argv)) return kFailed;
  try {
    open_driver();
    if (want_machine) return machine();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_probe: %s\n", error.what());
    return kNoDevice;
  }
  return run(*probe, small);
}
