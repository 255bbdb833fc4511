// SPDX-License-Identifier: Apache-2.0
// What the scan of launch arguments sees, and the table of layouts under concurrent use.
#include "runtime/arguments.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "runtime/thread_state.h"

namespace spillway {
namespace {

constexpr uint64_t kBase = 0x7000'0000'0000, kSize = 0x1000'0000;
using Parameters = std::vector<std::pair<size_t, size_t>>;  // offset, size

std::map<uintptr_t, Parameters> functions, kernels;
std::atomic<int> questions{0};

CUresult answer(const std::map<uintptr_t, Parameters>& known, uintptr_t handle, size_t index,
                size_t* offset, size_t* size) {
  questions++;
  const auto found = known.find(handle);
  if (found == known.end()) return CUDA_ERROR_INVALID_HANDLE;
  if (index >= found->second.size()) return CUDA_ERROR_INVALID_VALUE;
  *offset = found->second[index].first;
  *size = found->second[index].second;
  return CUDA_SUCCESS;
}
CUresult ask_function(CUfunction f, size_t index, size_t* offset, size_t* size) {
  return answer(functions, reinterpret_cast<uintptr_t>(f), index, offset, size);
}
CUresult ask_kernel(CUkernel k, size_t index, size_t* offset, size_t* size) {
  return answer(kernels, reinterpret_cast<uintptr_t>(k), index, offset, size);
}

struct Arguments : testing::Test {
  Arguments() {
    driver.cuFuncGetParamInfo = ask_function;
    driver.cuKernelGetParamInfo = ask_kernel;
    functions.clear();
    kernels.clear();
    questions = 0;
  }
  CUfunction function(Parameters parameters) {
    functions[++last] = std::move(parameters);
    return reinterpret_cast<CUfunction>(last);
  }
  std::vector<uint64_t> seen(const Layout& layout, std::vector<void*> params) {
    std::vector<uint64_t> out;
    scan_params(layout, params.data(), kBase, kSize, [&](uint64_t address) {
      out.push_back(address - kBase);
      return true;
    });
    return out;
  }
  Driver driver;
  uintptr_t last = 0x1000;
};

TEST_F(Arguments, PlainPointersAreSeenAndOtherValuesAreNot) {
  Layouts layouts(driver, true);
  const auto layout = layouts.learn(function({{0, 8}, {8, 4}, {16, 8}, {24, 8}}));
  uint64_t first = kBase, third = kBase + kSize, fourth = kBase + 5;
  uint32_t second = static_cast<uint32_t>(kBase);
  EXPECT_EQ(seen(*layout, {&first, &second, &third, &fourth}), (std::vector<uint64_t>{0, 5}));
}

TEST_F(Arguments, PointersInStructsPassedByValueAreSeen) {
  Layouts layouts(driver, true);
  struct {
    int count = 3;
    uint64_t pointers[3] = {kBase + 1, 42, kBase + 2};
  } list;
  const auto layout = layouts.learn(function({{0, sizeof(list)}}));
  EXPECT_EQ(seen(*layout, {&list}), (std::vector<uint64_t>{1, 2}));
}

TEST_F(Arguments, PointersInPackedStructsAreSeen) {
  Layouts layouts(driver, true);
  struct __attribute__((packed)) {
    int count = 3;
    uint64_t pointer = kBase + 9;
  } packed;
  const auto layout = layouts.learn(function({{0, sizeof(packed)}}));
  EXPECT_EQ(seen(*layout, {&packed}), (std::vector<uint64_t>{9}));
}

// Their size is that of a struct of whole words.
TEST_F(Arguments, PointersInAnArrayOfPackedStructsAreSeen) {
  Layouts layouts(driver, true);
  struct __attribute__((packed)) {
    int count = 3;
    uint64_t pointer = kBase + 9;
    int value = 7;
  } packed[2];
  const auto layout = layouts.learn(function({{0, sizeof(packed)}}));
  EXPECT_EQ(seen(*layout, {&packed}), (std::vector<uint64_t>{9, 9}));
}

TEST_F(Arguments, PointersInAStructPackedToBytesAreSeen) {
  Layouts layouts(driver, true);
  struct __attribute__((packed)) {
    char kind = 3;
    uint64_t pointer = kBase + 9;
  } packed;
  const auto layout = layouts.learn(function({{0, sizeof(packed)}}));
  EXPECT_EQ(seen(*layout, {&packed}), (std::vector<uint64_t>{9}));
}

TEST_F(Arguments, ATensorMapIsSeenByItsFirstWord) {
  Layouts layouts(driver, true);
  alignas(64) uint64_t map[16] = {kBase + 77, 1, 2, 3};
  const auto layout = layouts.learn(function({{0, sizeof(map)}}));
  EXPECT_EQ(seen(*layout, {map}), (std::vector<uint64_t>{77}));
}

TEST_F(Arguments, AFlatBufferIsScannedToItsEndAndNoFurther) {
  uint64_t words[3] = {kBase + 1, kBase + 2, kBase + 3};
  size_t bytes = 16;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, words, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                   CU_LAUNCH_PARAM_END};
  std::vector<uint64_t> out;
  scan_extra(extra, kBase, kSize, [&](uint64_t address) {
    out.push_back(address - kBase);
    return true;
  });
  EXPECT_EQ(out, (std::vector<uint64_t>{1, 2}));
}

TEST_F(Arguments, AKernelHandleInTheFunctionsPlaceIsUnderstood) {
  Layouts layouts(driver, true);
  kernels[0x99] = {{0, 8}};
  const auto layout = layouts.learn(reinterpret_cast<CUfunction>(0x99));
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->words.size(), 1u);
}

TEST_F(Arguments, AnUnknownHandleHasNoLayoutAndIsAskedForAgain) {
  Layouts layouts(driver, true);
  EXPECT_FALSE(layouts.learn(reinterpret_cast<CUfunction>(0x77)));
  functions[0x77] = {{0, 8}};
  EXPECT_TRUE(layouts.learn(reinterpret_cast<CUfunction>(0x77)));
}

TEST_F(Arguments, AReusedHandleIsAskedForAnewAfterAnUnload) {
  Layouts layouts(driver, true);
  const CUfunction handle = function({{0, 8}});
  layouts.learn(handle);
  ASSERT_NE(layouts.find(handle), nullptr);
  layouts.clear();
  EXPECT_EQ(layouts.find(handle), nullptr);
  functions[last] = {};
  EXPECT_TRUE(layouts.learn(handle)->words.empty());
}

TEST_F(Arguments, ThousandsOfKernelsStayFindableWhileOthersAreLearned) {
  Layouts layouts(driver, true);
  std::vector<CUfunction> handles;
  for (int i = 0; i < 5000; i++) handles.push_back(function({{0, 8}, {8, 8u + 8u * (i % 4)}}));
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      ThreadState& thread = thread_state();
      thread.enter();
      for (int i = 0; i < 5000; i += 97) {
        const Layout* layout = layouts.find(handles[i]);
        EXPECT_TRUE(!layout || layout->words[1].bytes == 8u + 8u * (i % 4));
      }
      thread.leave();
    }
  });
  for (const CUfunction handle : handles) layouts.learn(handle);
  done = true;
  reader.join();
  for (const CUfunction handle : handles) EXPECT_NE(layouts.find(handle), nullptr);
}

}  // namespace
}  // namespace spillway
