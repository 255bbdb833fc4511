// SPDX-License-Identifier: Apache-2.0
// Code images and what is made of them; see module.h.
#include "tests/sim/driver/module.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/space.h"

namespace sim {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;  // points to a container
constexpr uint32_t kContainerMagic = 0xBA55ED50;
constexpr uint32_t kElfMagic = 0x464C457F;

struct Wrapper {
  uint32_t magic, version;
  const void* container;
};

struct ContainerHeader {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t payload_bytes;
};

CUresult as_error(ptx::LoadError error) {
  switch (error) {
    case ptx::LoadError::None:
      return CUDA_SUCCESS;
    case ptx::LoadError::NotAnImage:
      return CUDA_ERROR_INVALID_IMAGE;
    case ptx::LoadError::NoImageForDevice:
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    case ptx::LoadError::Syntax:
      return CUDA_ERROR_INVALID_PTX;
    case ptx::LoadError::Unsupported:
      return CUDA_ERROR_INVALID_PTX;
    case ptx::LoadError::OutOfMemory:
      return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return CUDA_ERROR_UNKNOWN;
}

}  // namespace

Module::~Module() {
  hidden_unload(*this);
  code.reset();
  for (const CUdeviceptr address : variables) free_internal(address);
}

std::recursive_mutex& modules_mutex() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

Handles<Module, CUmodule>& modules() {
  static auto* const table = new Handles<Module, CUmodule>;
  return *table;
}

Handles<Library, CUlibrary>& libraries() {
  static auto* const table = new Handles<Library, CUlibrary>;
  return *table;
}

Handles<Function, CUfunction>& functions() {
  static auto* const table = new Handles<Function, CUfunction>;
  return *table;
}

std::string copy_image(const void* image) {
  uint32_t magic = 0;
  std::memcpy(&magic, image, 1);
  if (static_cast<char>(magic) == '\0') return {};
  // Text may be shorter than a header, so it is told apart byte by byte.
  const auto starts_with = [image](uint32_t wanted) {
    for (unsigned i = 0; i < sizeof wanted; i++) {
      if (static_cast<const unsigned char*>(image)[i] != (wanted >> 8 * i & 0xff)) return false;
    }
    return true;
  };
  if (starts_with(kWrapperMagic)) {
    Wrapper wrapper;
    std::memcpy(&wrapper, image, sizeof wrapper);
    return wrapper.container ? copy_image(wrapper.container) : std::string();
  }
  if (starts_with(kContainerMagic)) {
    ContainerHeader header;
    std::memcpy(&header, image, sizeof header);
    return {static_cast<const char*>(image), header.header_bytes + header.payload_bytes};
  }
  // A bare cubin has no PTX in it; its name suffices for the refusal.
  if (starts_with(kElfMagic)) return {static_cast<const char*>(image), sizeof kElfMagic};
  return static_cast<const char*>(image);
}

CUresult load_image(Context* context, const std::string& image, std::shared_ptr<Module>* out,
                    std::string* message) {
  if (image.empty()) return CUDA_ERROR_INVALID_IMAGE;
  host_cost_ns(profile().module_load_ns);
  auto module = std::make_shared<Module>();
  module->context = context;
  const ptx::Allocate allocate = [&](size_t size, size_t align) {
    const CUdeviceptr address = allocate_internal(context, size, align);
    if (address) module->variables.push_back(address);
    return address;
  };
  ptx::LoadError error = ptx::LoadError::None;
  module->code = ptx::Module::load(image.c_str(), static_cast<int>(settings().compute),
                                   window(context->device), allocate, &error, message);
  if (!module->code) {
    if (!message->empty()) complain("module load: " + *message);
    return as_error(error);
  }
  *out = std::move(module);
  return CUDA_SUCCESS;
}

CUresult read_image(const char* path, std::string* image) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  image->assign(std::istreambuf_iterator<char>(file), {});
  return image->empty() ? CUDA_ERROR_INVALID_IMAGE : CUDA_SUCCESS;
}

CUresult library_instance(Library& library, Context* context, std::shared_ptr<Module>* out) {
  std::shared_ptr<Module>& instance = library.instances[context];
  if (!instance) {
    std::string message;
    const CUresult status = load_image(context, library.image, &instance, &message);
    if (status != CUDA_SUCCESS) {
      library.instances.erase(context);
      return status;
    }
    instance->library = &library;
    modules().insert(instance);
  }
  *out = instance;
  return CUDA_SUCCESS;
}

CUresult find_kernel(CUfunction handle, Context* context, LoadedKernel* out) {
  const std::lock_guard lock(modules_mutex());
  out->function = functions().find(handle);
  if (!out->function) return CUDA_ERROR_INVALID_HANDLE;
  if (const auto library = out->function->library.lock()) {
    const CUresult status = library_instance(*library, context, &out->module);
    if (status != CUDA_SUCCESS) return status;
  } else {
    out->module = out->function->module.lock();
  }
  if (!out->module || out->module->context != context) return CUDA_ERROR_INVALID_HANDLE;
  out->kernel = out->module->code->kernel(out->function->name);
  return out->kernel ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

int function_attribute(const LoadedKernel& kernel, CUfunction_attribute attribute) {
  const ptx::KernelInfo& info = kernel.info();
  const std::lock_guard lock(modules_mutex());
  const auto set = kernel.function->attributes.find(attribute);
  if (set != kernel.function->attributes.end()) return set->second;
  const int compute = static_cast<int>(settings().compute);
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return static_cast<int>(info.max_threads);
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      return static_cast<int>(info.static_shared_bytes);
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      return static_cast<int>(info.local_bytes);
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      return static_cast<int>(info.registers);
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      return compute;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return static_cast<int>(kDefaultSharedBytes -
                              std::min(kDefaultSharedBytes, info.static_shared_bytes));
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return -1;  // the driver chooses
    default:
      return 0;
  }
}

void forget_modules(Context* context) {
  const std::lock_guard lock(modules_mutex());
  for (const auto& module :
       modules().select([&](const Module& m) { return m.context == context; })) {
    for (const auto& [name, function] : module->functions) {
      functions().erase(Handles<Function, CUfunction>::handle(function.get()));
    }
    modules().erase(Handles<Module, CUmodule>::handle(module.get()));
    if (module->library) module->library->instances.erase(context);
    // The table keeps dead objects for a while; the memory goes now.
    module->functions.clear();
    module->code.reset();
    for (const CUdeviceptr address : std::exchange(module->variables, {})) free_internal(address);
  }
}

void write_log(unsigned count, const CUjit_option* options, void** values,
               const std::string& message) {
  char* buffer = nullptr;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      bytes = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
    }
  }
  if (!buffer || !bytes) return;
  const size_t used = std::min(bytes - 1, message.size());
  std::memcpy(buffer, message.data(), used);
  buffer[used] = '\0';
  for (unsigned i = 0; i < count; i++) {
    // In, the size of the buffer; out, what was written.
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) values[i] = reinterpret_cast<void*>(used);
  }
}

}  // namespace sim
