// SPDX-License-Identifier: Apache-2.0
// The ways that find the driver at run time: `ways_in way`. Not linked against libcuda.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/integration/ways_in/job.h"

namespace {

using GetV1 = CUresult (*)(const char*, void**, int, cuuint64_t);
using GetV2 = CUresult (*)(const char*, void**, int, cuuint64_t, CUdriverProcAddressQueryResult*);

void* libcuda = nullptr;
cuuint64_t flags = 0;

void open_driver(int mode) {
  libcuda = dlopen("libcuda.so.1", mode);
  if (libcuda == nullptr) ways::fail(dlerror(), 0);
}

void* by_handle(const char*, const char* symbol, int) {
  return dlsym(libcuda, symbol);
}
void* by_default(const char*, const char* symbol, int) {
  return dlsym(RTLD_DEFAULT, symbol);
}

void* by_v1(const char* name, const char*, int since) {
  const auto get = reinterpret_cast<GetV1>(dlsym(libcuda, "cuGetProcAddress"));
  void* found = nullptr;
  return get(name, &found, since, flags) == CUDA_SUCCESS ? found : nullptr;
}

// Through itself, as runtimes do: the first look-up is of cuGetProcAddress.
void* by_v2(const char* name, const char*, int since) {
  const auto get = reinterpret_cast<GetV2>(dlsym(libcuda, "cuGetProcAddress_v2"));
  void* again = nullptr;
  CUdriverProcAddressQueryResult status{};
  if (get("cuGetProcAddress", &again, 12000, 0, &status) != CUDA_SUCCESS || again == nullptr) {
    ways::fail("cuGetProcAddress does not find itself", status);
  }
  void* found = nullptr;
  const CUresult result = reinterpret_cast<GetV2>(again)(name, &found, since, flags, &status);
  return result == CUDA_SUCCESS && status == CU_GET_PROC_ADDRESS_SUCCESS ? found : nullptr;
}

using Find = void* (*)(const char*, const char*, int);

void one_thread(Find find) {
  const ways::Api api = ways::resolve(find);
  ways::enter(api);
  ways::work(api);
}

// All from cold at the same moment: first look-ups, first calls, first allocations.
void sixteen_threads() {
  constexpr int kThreads = 16;
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&start, i] {
      start.arrive_and_wait();
      one_thread(i % 2 == 0 ? by_v2 : by_handle);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The parent has the driver's addresses but made no call; the child does the work.
void child() {
  const ways::Api api = ways::resolve(by_handle);
  const pid_t pid = fork();
  if (pid == 0) {
    ways::enter(api);
    ways::work(api);
    ways::report();
    std::exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ways::fail("the child ended with", status);
  std::_Exit(0);  // the summary is the child's
}

// A parent that uses the driver, and a child of it that asks it once and then does other things.
void busy_parent() {
  const ways::Api api = ways::resolve(by_handle);
  ways::enter(api);
  ways::work(api);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);  // a lock left behind by the parent would hold it for ever
    CUdeviceptr at = 0;
    api.cuMemAlloc_at(&at, 1 << 22);  // the driver's answer, whatever it is
    api.cuMemFree_at(at);
    std::_Exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status)) ways::fail("the child was killed by signal", WTERMSIG(status));
  ways::work(api);
}

// A library that is closed and opened again, as plug-ins do: old addresses and new ones work.
void after_close() {
  const ways::Api before = ways::resolve(by_v2);
  dlclose(libcuda);
  open_driver(RTLD_NOW);
  const ways::Api after = ways::resolve(by_handle);
  ways::enter(after);
  ways::work(after);
  ways::work(before);
}

struct Way {
  const char* name;
  int mode;
  cuuint64_t flags;
  void (*go)();
};
constexpr Way kWays[] = {
    {"handle", RTLD_NOW, 0, [] { one_thread(by_handle); }},
    {"default", RTLD_NOW | RTLD_GLOBAL, 0, [] { one_thread(by_default); }},
    {"v1", RTLD_NOW, CU_GET_PROC_ADDRESS_DEFAULT, [] { one_thread(by_v1); }},
    {"v1-legacy", RTLD_NOW, CU_GET_PROC_ADDRESS_LEGACY_STREAM, [] { one_thread(by_v1); }},
    {"v1-thread", RTLD_NOW, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
     [] { one_thread(by_v1); }},
    {"v2", RTLD_NOW, CU_GET_PROC_ADDRESS_DEFAULT, [] { one_thread(by_v2); }},
    {"v2-legacy", RTLD_NOW, CU_GET_PROC_ADDRESS_LEGACY_STREAM, [] { one_thread(by_v2); }},
    {"v2-thread", RTLD_NOW, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
     [] { one_thread(by_v2); }},
    {"threads", RTLD_NOW, 0, sixteen_threads},
    {"child", RTLD_NOW, 0, child},
    {"busy-parent", RTLD_NOW, 0, busy_parent},
    {"reopened", RTLD_NOW, 0, after_close},
};

}  // namespace

int main(int count, char** arguments) {
  for (const Way& way : kWays) {
    if (count != 2 || std::strcmp(way.name, arguments[1]) != 0) continue;
    flags = way.flags;
    open_driver(way.mode);
    way.go();
    ways::report();
    return 0;
  }
  for (const Way& way : kWays) std::printf("%s\n", way.name);
  return 2;
}
