// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/cudart/registry.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/sim/cudart/call.h"

namespace sim::cudart {
namespace {

struct Image {
  const void* wrapper = nullptr;
  CUlibrary library = nullptr;
  std::vector<void**> managed;  // host pointers to fill in when the image is loaded
};

struct Function {
  Image* image = nullptr;
  std::string name;
  CUkernel kernel = nullptr;
};

struct Variable {
  Image* image = nullptr;
  std::string name;
  bool managed = false;
};

struct Registry {
  std::mutex mutex;
  std::unordered_map<void*, std::unique_ptr<Image>> images;  // by the handle the program holds
  std::unordered_map<const void*, Function> functions;
  std::unordered_map<const void*, Variable> variables;
  std::unordered_map<CUkernel, const void*> stubs;
  std::unordered_set<CUkernel> accepted;
  std::atomic<cudaError_t> kernel_failure{cudaErrorInvalidDeviceFunction};
};

Registry& registry() {
  static auto* const instance = new Registry;  // leaked: programs unregister after destructors ran
  return *instance;
}

// A first use may fall into a stream capture of this thread, which forbids what loading does.
class RelaxedCapture {
 public:
  RelaxedCapture() { exchange(); }
  ~RelaxedCapture() { exchange(); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  void exchange() { invoke(&Driver::ThreadExchangeStreamCaptureMode, &mode_); }
  CUstreamCaptureMode mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

Image* image_of(void** handle) {
  auto found = registry().images.find(handle);
  return found == registry().images.end() ? nullptr : found->second.get();
}

CUresult load(Image& image) {
  if (drivers().status != CUDA_SUCCESS) return drivers().status;
  if (image.library != nullptr) return CUDA_SUCCESS;
  const RelaxedCapture relaxed;
  const CUresult result = invoke(&Driver::LibraryLoadData, &image.library, image.wrapper, nullptr,
                                 nullptr, 0u, nullptr, nullptr, 0u);
  if (result != CUDA_SUCCESS) image.library = nullptr;
  return result;
}

CUresult load_managed(Registry& known, Image& image) {
  CUresult result = load(image);
  for (void** host : image.managed) {
    if (result != CUDA_SUCCESS) break;
    CUdeviceptr address = 0;
    size_t size = 0;
    result = invoke(&Driver::LibraryGetManaged, &address, &size, image.library,
                    known.variables[host].name.c_str());
    if (result == CUDA_SUCCESS) *host = reinterpret_cast<void*>(address);
  }
  return result;
}

// Compiled code names a managed variable by the address of its host pointer or, once that is filled
// in, by what it points to.
const Variable* find_variable(const Registry& known, const void* key) {
  if (auto found = known.variables.find(key); found != known.variables.end()) return &found->second;
  for (const auto& [host, variable] : known.variables)
    if (variable.managed && *static_cast<void* const*>(host) == key) return &variable;
  return nullptr;
}

}  // namespace

cudaError_t find_kernel(const void* function, CUkernel* kernel) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  auto found = known.functions.find(function);
  if (found == known.functions.end()) {
    auto* handle = static_cast<CUkernel>(const_cast<void*>(function));
    if (known.stubs.count(handle) == 0 && known.accepted.count(handle) == 0)
      return cudaErrorInvalidDeviceFunction;
    *kernel = handle;
    return cudaSuccess;
  }
  Function& entry = found->second;
  if (entry.kernel == nullptr) {
    if (const cudaError_t error = need_context(); error != cudaSuccess) return error;
    const RelaxedCapture relaxed;
    CUresult result = load(*entry.image);
    if (result == CUDA_SUCCESS)
      result = invoke(&Driver::LibraryGetKernel, &entry.kernel, entry.image->library,
                      entry.name.c_str());
    if (result != CUDA_SUCCESS) {
      entry.kernel = nullptr;
      return result == CUDA_ERROR_NOT_FOUND ? cudaErrorInvalidDeviceFunction : translate(result);
    }
    known.stubs[entry.kernel] = function;
  }
  *kernel = entry.kernel;
  return cudaSuccess;
}

void* host_function(CUkernel kernel) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  auto found = known.stubs.find(kernel);
  return found == known.stubs.end() ? static_cast<void*>(kernel) : const_cast<void*>(found->second);
}

void accept_kernel(CUkernel kernel) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  known.accepted.insert(kernel);
}

cudaError_t last_kernel_failure() {
  return registry().kernel_failure.load();
}

cudaError_t find_symbol(const void* key, Symbol* symbol) {
  if (const cudaError_t error = need_context(); error != cudaSuccess) return error;
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  const Variable* variable = find_variable(known, key);
  if (variable == nullptr) return cudaErrorInvalidSymbol;
  CUresult result =
      variable->managed ? load_managed(known, *variable->image) : load(*variable->image);
  if (result == CUDA_SUCCESS)
    result =
        invoke(variable->managed ? &Driver::LibraryGetManaged : &Driver::LibraryGetGlobal,
               &symbol->address, &symbol->size, variable->image->library, variable->name.c_str());
  return result == CUDA_ERROR_NOT_FOUND ? cudaErrorInvalidSymbol : translate(result);
}

namespace {
cudaError_t part_of(const void* variable, size_t offset, size_t bytes, char** address) {
  Symbol symbol;
  if (const cudaError_t error = find_symbol(variable, &symbol); error != cudaSuccess) return error;
  if (offset > symbol.size || bytes > symbol.size - offset) return cudaErrorInvalidValue;
  *address = reinterpret_cast<char*>(symbol.address + offset);
  return cudaSuccess;
}
}  // namespace

cudaError_t symbol_target(const void* variable, size_t offset, size_t bytes, cudaMemcpyKind kind,
                          char** address) {
  if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToDevice &&
      kind != cudaMemcpyDefault)
    return cudaErrorInvalidMemcpyDirection;
  return part_of(variable, offset, bytes, address);
}

cudaError_t symbol_source(const void* variable, size_t offset, size_t bytes, cudaMemcpyKind kind,
                          char** address) {
  if (kind != cudaMemcpyDeviceToHost && kind != cudaMemcpyDeviceToDevice &&
      kind != cudaMemcpyDefault)
    return cudaErrorInvalidMemcpyDirection;
  return part_of(variable, offset, bytes, address);
}

}  // namespace sim::cudart

using namespace sim::cudart;

CUDART_EXPORT void** __cudaRegisterFatBinary(void* wrapper) {
  auto image = std::make_unique<Image>();
  image->wrapper = wrapper;
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  void* handle = image.get();
  known.images[handle] = std::move(image);
  return static_cast<void**>(handle);
}

CUDART_EXPORT void __cudaRegisterFatBinaryEnd(void**) {}

CUDART_EXPORT void __cudaUnregisterFatBinary(void** handle) {
  Registry& known = registry();
  CUlibrary library = nullptr;
  bool last = false;
  {
    std::lock_guard lock(known.mutex);
    Image* image = image_of(handle);
    if (image == nullptr) return;
    library = image->library;
    for (auto& [stub, function] : known.functions)
      if (function.image == image) known.stubs.erase(function.kernel);
    std::erase_if(known.functions, [image](const auto& f) { return f.second.image == image; });
    std::erase_if(known.variables, [image](const auto& v) { return v.second.image == image; });
    known.images.erase(handle);
    last = known.images.empty();
  }
  if (library != nullptr) invoke(&Driver::LibraryUnload, library);
  if (last) release_contexts();
}

CUDART_EXPORT void __cudaRegisterFunction(void** handle, const char* stub, char*, const char* name,
                                          int, uint3*, uint3*, dim3*, dim3*, int*) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  if (Image* image = image_of(handle)) known.functions[stub] = Function{image, name, nullptr};
}

CUDART_EXPORT void __cudaRegisterVar(void** handle, char* host, char*, const char* name, int,
                                     size_t, int, int) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  if (Image* image = image_of(handle)) known.variables[host] = Variable{image, name, false};
}

CUDART_EXPORT void __cudaRegisterManagedVar(void** handle, void** host, char*, const char* name,
                                            int, size_t, int, int) {
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  Image* image = image_of(handle);
  if (image == nullptr) return;
  known.variables[host] = Variable{image, name, true};
  image->managed.push_back(host);
}

// Called before the first touch of a managed variable by host code, which then reads the pointers.
CUDART_EXPORT char __cudaInitModule(void** handle) {
  if (remember(need_context()) != cudaSuccess) return 0;
  Registry& known = registry();
  std::lock_guard lock(known.mutex);
  Image* image = image_of(handle);
  return image != nullptr && remember(load_managed(known, *image)) == cudaSuccess ? 1 : 0;
}

CUDART_EXPORT cudaError_t cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  if (kernel == nullptr) return remember(cudaErrorInvalidValue);
  return remember(find_kernel(stub, kernel));
}

CUDART_EXPORT cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  const cudaError_t error = cudaGetKernel(kernel, stub);
  if (error != cudaSuccess) registry().kernel_failure = error;
  return error;
}

CUDART_EXPORT cudaError_t cudaGetFuncBySymbol(cudaFunction_t* function, const void* stub) {
  CUkernel kernel = nullptr;
  if (function == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = find_kernel(stub, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::KernelGetFunction, function, kernel);
}

CUDART_EXPORT cudaError_t cudaGetSymbolAddress(void** address, const void* variable) {
  Symbol symbol;
  if (address == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = find_symbol(variable, &symbol); error != cudaSuccess)
    return remember(error);
  *address = reinterpret_cast<void*>(symbol.address);
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaGetSymbolSize(size_t* size, const void* variable) {
  Symbol symbol;
  if (size == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = find_symbol(variable, &symbol); error != cudaSuccess)
    return remember(error);
  *size = symbol.size;
  return cudaSuccess;
}
