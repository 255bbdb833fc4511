// SPDX-License-Identifier: Apache-2.0
// The driver, and each device in turn.
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "runtime/bytes.h"
#include "tools/doctor/doctor.h"
#include "tools/doctor/driver.h"

namespace spillway::tools {
namespace {

constexpr int kOldest = 12040;  // since when drivers describe a kernel's parameters

struct Advice {
  CUresult result;
  const char* text;
};
constexpr Advice kAdvice[] = {
    {CUDA_ERROR_NO_DEVICE,
     "look at CUDA_VISIBLE_DEVICES, and in a container at --gpus; `nvidia-smi` should list the "
     "GPU"},
    {CUDA_ERROR_SYSTEM_NOT_READY,
     "start what the machine's NVLink switches need: nvidia-fabricmanager"},
    {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH,
     "libcuda.so.1 and the kernel module are of different versions: reboot, or reload the module"},
    {CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE,
     "this is a compatibility libcuda for data-centre GPUs: take its folder out of "
     "LD_LIBRARY_PATH"},
    {CUDA_ERROR_STUB_LIBRARY,
     "this is the toolkit's stub: take its folder out of LD_LIBRARY_PATH, or install the driver"},
    {CUDA_ERROR_MPS_CONNECTION_FAILED, "start the MPS server again, or stop using it"},
    {CUDA_ERROR_DEVICE_UNAVAILABLE,
     "another process has the device for itself: nvidia-smi -q -d COMPUTE says the mode"},
    {CUDA_ERROR_OUT_OF_MEMORY, "another process fills the device: nvidia-smi says which"},
    {CUDA_ERROR_NOT_FOUND, "this is no driver that Spillway can use: install 12.4 (550) or newer"},
};
std::string advice_for(CUresult result) {
  for (const Advice& row : kAdvice)
    if (row.result == result) return row.text;
  return "`nvidia-smi` and `dmesg` may say more";
}

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string kernel_module() {
  std::string version;
  std::ifstream("/sys/module/nvidia/version") >> version;
  return version;
}

Row no_driver(const std::string& failure) {
  Row row{.topic = "driver", .health = Health::Fail, .text = failure};
  const std::vector<std::string> gpus = gpus_on_the_bus();
  row.facts = {{"found", false}, {"gpus_on_the_bus", gpus}};
  if (!kernel_module().empty())
    row.advice =
        "the kernel module is loaded, but not its library: in a container, start it with --gpus "
        "all (nvidia-container-toolkit)";
  else if (!gpus.empty())
    row.advice = fmt::format("there is an NVIDIA GPU at {}: install its driver, 550 or newer",
                             fmt::join(gpus, ", "));
  else
    row.advice = "there is no NVIDIA GPU on the PCI bus either: this machine cannot run CUDA";
  return row;
}

Row driver_row(int version) {
  Row row{.topic = "driver"};
  const std::string module = kernel_module();
  row.text = fmt::format("CUDA {}, {}{}", version_text(version), cu().path,
                         module.empty() ? "" : ", kernel module " + module);
  row.facts = {{"found", true},
               {"version", version},
               {"path", cu().path},
               {"file", cu().file},
               {"kernel_module", module}};
  if (version >= kOldest) return row;
  row.health = Health::Warn;
  row.text +=
      fmt::format("; older than {}: it does not tell what a launch uses", version_text(kOldest));
  row.advice =
      "install driver 550 or newer: with this one every launch counts as a use of everything";
  return row;
}

Row functions_row() {
  Row row{.topic = "functions"};
  row.facts = {{"needed", cu().needed}, {"lacking", cu().lacking}};
  row.text = fmt::format("all {} that Spillway calls", cu().needed);
  if (cu().lacking.empty()) return row;
  row.health = Health::Warn;
  row.text = fmt::format("of {} that Spillway calls, the driver lacks {}: {}", cu().needed,
                         cu().lacking.size(), fmt::join(cu().lacking, ", "));
  row.advice = "install driver 550 or newer";
  return row;
}

class Context {
 public:
  explicit Context(int device) : device_(device) {
    CUcontext context = nullptr;
    cu().cuDevicePrimaryCtxRetain(&context, device);
    if (const CUresult result = cu().cuCtxSetCurrent.attempt(context); result != CUDA_SUCCESS) {
      cu().cuDevicePrimaryCtxRelease_v2.attempt(device);
      throw Failed(cu().cuCtxSetCurrent.name, result);
    }
  }
  ~Context() { cu().cuDevicePrimaryCtxRelease_v2.attempt(device_); }
  Context(const Context&) = delete;

 private:
  int device_;
};

// With its context current, because free memory is known only then.
Row device_row(const Gpu& gpu, const std::string& name) {
  Row row{.topic = "device", .device = gpu.device};
  size_t free = 0, total = 0;
  cu().cuMemGetInfo_v2(&free, &total);
  int major = 0, minor = 0;
  cu().cuDeviceGetAttribute.attempt(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                                    gpu.device);
  cu().cuDeviceGetAttribute.attempt(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                                    gpu.device);
  const bool slice = name.find("MIG") != name.npos;
  row.text = fmt::format("{}, compute {}.{}, {} ({} free), budget {}{}", name, major, minor,
                         format_bytes(gpu.total), format_bytes(free), format_bytes(gpu.budget),
                         slice ? "; a MIG slice, whose memory is all that counts" : "");
  row.facts = {{"name", name},       {"bus_id", gpu.bus_id},       {"total_bytes", gpu.total},
               {"free_bytes", free}, {"budget_bytes", gpu.budget}, {"compute", 10 * major + minor},
               {"mig", slice}};
  // A context of ours takes some hundreds of megabytes of what is free.
  if (free + (uint64_t{1} << 30) >= gpu.budget) return row;
  row.health = Health::Warn;
  row.advice =
      "other processes hold part of the device: give each a SPILLWAY_DEVICE_LIMIT so that they fit "
      "together";
  return row;
}

void examine(int ordinal, const Config& config, const Listener& listener) {
  Gpu gpu{ordinal, "", 0, 0};
  const auto step = [&](const char* what) {
    listener.at(fmt::format("{} of device {}", what, ordinal));
  };
  try {
    CUdevice device = 0;
    char text[256] = "";
    size_t total = 0;
    step("name and size");
    cu().cuDeviceGet(&device, ordinal);
    if (cu().cuDeviceGetPCIBusId.attempt(text, sizeof text, device) == CUDA_SUCCESS)
      gpu.bus_id = text;
    cu().cuDeviceGetName(text, sizeof text, device);
    cu().cuDeviceTotalMem_v2(&total, device);
    gpu.total = total;
    gpu.budget = std::min<uint64_t>(config.device_limit.of(total), total);
    step("a context");
    const Context context(ordinal);
    listener.say(device_row(gpu, text));
    step("mapping");
    listener.say(mapping_row(gpu));
    step("host memory in place");
    listener.say(in_place_row(gpu, config));
    step("the link");
    listener.say(link_row(gpu, listener));
    listener.say(numa_row(gpu));
  } catch (const Failed& failed) {
    listener.say({.topic = "device",
                  .device = ordinal,
                  .health = Health::Fail,
                  .text = failed.text(),
                  .advice = advice_for(failed.result())});
  }
}

}  // namespace

void examine_gpus(const Config& config, const Listener& listener) {
  std::string failure;
  listener.at("loading libcuda.so.1");
  if (!open_driver(&failure)) return listener.say(no_driver(failure));
  int version = 0, devices = 0;
  try {
    listener.at("cuDriverGetVersion");
    cu().cuDriverGetVersion.attempt(&version);
    listener.at("cuInit");
    cu().cuInit(0);
    listener.say(driver_row(version));
    listener.say(functions_row());
    listener.at("cuDeviceGetCount");
    cu().cuDeviceGetCount(&devices);
  } catch (const Failed& failed) {
    return listener.say(
        {.topic = "driver",
         .health = Health::Fail,
         .text = fmt::format("{}, CUDA {}: {}", cu().path, version_text(version), failed.text()),
         .advice = advice_for(failed.result()),
         .facts = {{"found", true}, {"version", version}, {"path", cu().path}}});
  }
  if (devices == 0)
    listener.say({.topic = "device",
                  .health = Health::Fail,
                  .text = "the driver sees no GPU",
                  .advice = advice_for(CUDA_ERROR_NO_DEVICE)});
  for (int ordinal = 0; ordinal < devices; ++ordinal) examine(ordinal, config, listener);
}

}  // namespace spillway::tools
