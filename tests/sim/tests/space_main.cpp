// SPDX-License-Identifier: Apache-2.0
// The driver reads its environment once a process, so each environment that the tests need is a
// process of its own: run bare, this program runs itself once for each.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Environment {
  const char* filter;
  const char* variables[4][2];  // over those of the first row
};

// A suite whose name begins with Env runs in its own environment only.
constexpr Environment kEnvironments[] = {
    {"-Env*", {{"SIMCUDA_DEVICES", "2"}, {"SIMCUDA_MEMORY", "256MiB"}}},
    {"EnvNoDevice.*", {{"SIMCUDA_DEVICES", "0"}}},
    {"EnvNoPeers.*", {{"SIMCUDA_PEERS", "0"}}},
    {"EnvLazy.*", {{"SIMCUDA_LAZY", "8MiB"}, {"SIMCUDA_MEMORY", "1GiB"}}},
    {"EnvPinned.*", {{"SIMCUDA_PINNED", "8MiB"}}},
    {"EnvNoHostVmm.*", {{"SIMCUDA_HOST_VMM", "0"}}},
    {"EnvBadValues.*", {{"SIMCUDA_MEMORY", "12 bananas"}, {"SIMCUDA_DEVICES", "99"}}},
    {"EnvOtherMachine.*",
     {{"SIMCUDA_COMPUTE", "70"}, {"SIMCUDA_PROFILE", "v100-nvlink2"}, {"SIMCUDA_SEED", "7"}}},
    {"EnvFault.*",
     {{"SIMCUDA_FAULT",
       "cuMemAlloc:2:CUDA_ERROR_OUT_OF_MEMORY,cuMemCreate:*:801,cuMemAllocHost_v2:2*:2,"
       "cuMemFree:nonsense:1"}}},
};

constexpr const char* kChild = "SIM_SPACE_TESTS_CHILD";

int run_in(const Environment& environment, int argc, char** argv) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    setenv(kChild, "1", 1);
    for (const auto& [name, value] : kEnvironments[0].variables) {
      if (name) setenv(name, value, 1);
    }
    for (const auto& [name, value] : environment.variables) {
      if (name) setenv(name, value, 1);
    }
    const std::string filter = std::string("--gtest_filter=") + environment.filter;
    std::vector<char*> arguments(argv, argv + argc);
    if (argc == 1) arguments.push_back(const_cast<char*>(filter.c_str()));
    arguments.push_back(nullptr);
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (getenv(kChild)) {
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
  }
  if (argc > 1) {  // somebody's own choice of tests: in the environment that it names
    for (const Environment& environment : kEnvironments) {
      const std::string_view suite(environment.filter, strcspn(environment.filter, "."));
      if (std::string_view(argv[1]).find(suite) != std::string_view::npos) {
        return run_in(environment, argc, argv);
      }
    }
    return run_in(kEnvironments[0], argc, argv);
  }
  int failed = 0;
  for (const Environment& environment : kEnvironments) failed |= run_in(environment, argc, argv);
  return failed;
}
