// SPDX-License-Identifier: Apache-2.0
// Finding entry points, calls before cuInit and after fork, error names.
#include <dlfcn.h>
#include <sys/wait.h>

#include <string>

#include "tests/sim/tests/space_support.h"

namespace {

// The exported v1 form, which cuda.h hides behind a macro.
using LookUp4 = CUresult (*)(const char*, void**, int, cuuint64_t);

void* exported(const char* symbol) {
  return dlsym(RTLD_DEFAULT, symbol);
}

LookUp4 look_up4() {
  return reinterpret_cast<LookUp4>(exported("cuGetProcAddress"));
}

struct LookUp {
  const char* name;
  int version;
  cuuint64_t flags;
  const char* symbol;
};
constexpr LookUp kLookUps[] = {
#define LOOKUP(name, version, flags, symbol) {name, version, flags, symbol},
#include "tests/sim/tests/space_lookup.def"
#undef LOOKUP
};

TEST(Symbols, EveryLookUpOfTheRuntimeFindsItsExport) {
  for (const LookUp& one : kLookUps) {
    SCOPED_TRACE(std::string(one.name) + ":" + std::to_string(one.version));
    void* found = reinterpret_cast<void*>(1);
    CUdriverProcAddressQueryResult status{};
    const CUresult result = cuGetProcAddress(one.name, &found, one.version, one.flags, &status);
    if (*one.symbol == '\0') {
      EXPECT_CU(CUDA_ERROR_NOT_FOUND, result);
      EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
      EXPECT_EQ(found, nullptr);
      continue;
    }
    EXPECT_OK(result);
    EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SUCCESS);
    ASSERT_NE(exported(one.symbol), nullptr);
    EXPECT_EQ(found, exported(one.symbol));
    void* found4 = nullptr;
    EXPECT_OK(look_up4()(one.name, &found4, one.version, one.flags));
    EXPECT_EQ(found4, found);
  }
}

TEST(Symbols, VersionDecidesTheAbi) {
  void* found = nullptr;
  CUdriverProcAddressQueryResult status{};
  EXPECT_OK(cuGetProcAddress("cuMemAlloc", &found, 2000, 0, &status));
  EXPECT_EQ(found, exported("cuMemAlloc"));
  EXPECT_OK(cuGetProcAddress("cuMemAlloc", &found, 3019, 0, &status));
  EXPECT_EQ(found, exported("cuMemAlloc"));
  EXPECT_OK(cuGetProcAddress("cuMemAlloc", &found, 3020, 0, &status));
  EXPECT_EQ(found, exported("cuMemAlloc_v2"));
  EXPECT_OK(cuGetProcAddress("cuMemAlloc", &found, 99000, 0, &status));
  EXPECT_EQ(found, exported("cuMemAlloc_v2"));
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cuGetProcAddress("cuMemAlloc", &found, 1999, 0, &status));
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  EXPECT_EQ(found, nullptr);
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cuGetProcAddress("cuMemAlloc_v2", &found, 13000, 0, &status));
  EXPECT_EQ(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
}

TEST(Symbols, PerThreadFlagFallsBackToTheOnlyForm) {
  void* found = nullptr;
  EXPECT_OK(cuGetProcAddress("cuMemcpyHtoD", &found, 6050, 2, nullptr));
  EXPECT_EQ(found, exported("cuMemcpyHtoD_v2"));
  EXPECT_OK(cuGetProcAddress("cuMemcpyHtoD", &found, 7000, 2, nullptr));
  EXPECT_EQ(found, exported("cuMemcpyHtoD_v2_ptds"));
  EXPECT_OK(cuGetProcAddress("cuMemcpyHtoD", &found, 7000, 1, nullptr));
  EXPECT_EQ(found, exported("cuMemcpyHtoD_v2"));
  EXPECT_OK(cuGetProcAddress("cuMemAlloc", &found, 13000, 2, nullptr));
  EXPECT_EQ(found, exported("cuMemAlloc_v2"));
}

TEST(Symbols, BadLookUpsAreRefused) {
  void* found = nullptr;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetProcAddress(nullptr, &found, 13000, 0, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetProcAddress("cuInit", nullptr, 13000, 0, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetProcAddress("cuInit", &found, 13000, 4, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetProcAddress("cuInit", &found, 13000, 3, nullptr));
}

TEST(Symbols, PrivateTablesAreNotAnswered) {
  const void* table = &table;
  CUuuid id{};
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cuGetExportTable(&table, &id));
  EXPECT_EQ(table, nullptr);
}

TEST(Symbols, WhatIsNotSimulatedSaysItsNameOnce) {
  testing::internal::CaptureStderr();
  CUgreenCtx green = nullptr;
  EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED, cuGreenCtxCreate(&green, nullptr, 0, 0));
  EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED, cuGreenCtxCreate(&green, nullptr, 0, 0));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "simcuda: cuGreenCtxCreate is not simulated\n");
}

// Runs the body in a forked child and returns its exit status.
template <class Body>
int in_child(Body&& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

using Initialised = InContext;

TEST_F(Initialised, ForkedChildIsNot) {
  EXPECT_EQ(in_child([] {
              int count = 0;
              CUdeviceptr address = 0;
              return cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED &&
                             cuInit(0) == CUDA_ERROR_NOT_INITIALIZED &&
                             cuMemAlloc(&address, 64) == CUDA_ERROR_NOT_INITIALIZED
                         ? 0
                         : 1;
            }),
            0);
  int count = 0;
  EXPECT_OK(cuDeviceGetCount(&count));
}

TEST(Errors, NamesAndTexts) {
  const char* text = nullptr;
  EXPECT_OK(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
  EXPECT_STREQ(text, "CUDA_ERROR_OUT_OF_MEMORY");
  EXPECT_OK(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
  EXPECT_STREQ(text, "an illegal memory access was encountered");
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetErrorName(static_cast<CUresult>(12345), &text));
  EXPECT_EQ(text, nullptr);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuGetErrorString(CUDA_SUCCESS, nullptr));
}

TEST(Errors, VersionIsThatOfTheHeaders) {
  int version = 0;
  EXPECT_OK(cuDriverGetVersion(&version));
  EXPECT_EQ(version, CUDA_VERSION);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuDriverGetVersion(nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuInit(1));
}

}  // namespace
