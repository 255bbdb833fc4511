// SPDX-License-Identifier: Apache-2.0
// A runtime's look-ups: `lookups file` asks cuGetProcAddress_v2 for every line (name version flags)
// and prints the answer: result, status, and the symbol and library of the address.
#include <cuda.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

int main(int count, char** arguments) {
  if (count != 2) return 2;
  void* libcuda = dlopen("libcuda.so.1", RTLD_NOW);
  if (libcuda == nullptr) return 1;
  const auto get =
      reinterpret_cast<decltype(&::cuGetProcAddress_v2)>(dlsym(libcuda, "cuGetProcAddress_v2"));
  std::ifstream file(arguments[1]);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    int version = 0;
    unsigned long long flags = 0;
    if (line.starts_with('#') || !(words >> name >> version >> flags)) continue;
    void* found = nullptr;
    CUdriverProcAddressQueryResult status{};
    const CUresult result = get(name.c_str(), &found, version, flags, &status);
    Dl_info where{};
    if (found != nullptr) dladdr(found, &where);
    const char* slash = where.dli_fname != nullptr ? std::strrchr(where.dli_fname, '/') : nullptr;
    std::printf("%s %d %llu = %d %d %s %s\n", name.c_str(), version, flags, result, status,
                where.dli_sname != nullptr ? where.dli_sname : "-",
                slash != nullptr ? slash + 1 : "-");
  }
}
