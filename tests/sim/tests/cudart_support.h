// SPDX-License-Identifier: Apache-2.0
// What the tests of the runtime share: checks of runtime calls, and device memory with a life.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <vector>

inline testing::AssertionResult succeeded(const char* call, cudaError_t error) {
  if (error == cudaSuccess) return testing::AssertionSuccess();
  return testing::AssertionFailure() << call << ": " << cudaGetErrorName(error);
}
#define OK(call) ASSERT_TRUE(succeeded(#call, call))
#define FAILS(expected, call)           \
  do {                                  \
    EXPECT_EQ(expected, call) << #call; \
    cudaGetLastError();                 \
  } while (false)

template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) {
    EXPECT_TRUE(succeeded("cudaMalloc", cudaMalloc(&data_, count * sizeof(T))));
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    EXPECT_TRUE(
        succeeded("cudaMemcpy", cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice)));
  }
  ~Buffer() { EXPECT_TRUE(succeeded("cudaFree", cudaFree(data_))); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  operator T*() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    EXPECT_TRUE(
        succeeded("cudaMemcpy", cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost)));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

// 0, 1, 2, ... as device and host know it.
inline std::vector<int> counting(size_t count, int start = 0) {
  std::vector<int> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = start + static_cast<int>(i);
  return values;
}
