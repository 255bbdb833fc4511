// SPDX-License-Identifier: Apache-2.0
// Copies and sets: the bytes, when the host may go on, and what is refused.
#include <cstring>
#include <numeric>

#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

using Copy = Exec;
using Set = Exec;

// Holds the stream until released, so that what is queued behind it has not run yet.
class Gate {
 public:
  explicit Gate(CUstream stream, CUdeviceptr word, int* host) : host_(host) {
    *host_ = 0;
    EXPECT_EQ(CUDA_SUCCESS, cuStreamWaitValue32_v2(stream, word, 1, CU_STREAM_WAIT_VALUE_EQ));
  }
  ~Gate() { open(); }
  void open() { __atomic_store_n(host_, 1, __ATOMIC_RELEASE); }

 private:
  int* host_;
};

TEST_F(Copy, ASmallPageableSourceIsReadDuringTheCall) {
  CUstream s = stream();
  std::vector<int> source(kCount);
  std::iota(source.begin(), source.end(), 0);
  {
    Gate gate(s, pinned_address() + 8, pinned() + 2);
    CHECK_CU(cuMemcpyHtoDAsync_v2(memory_, source.data(), kCount * sizeof(int), s));
    std::fill(source.begin(), source.end(), -1);
  }
  EXPECT_EQ(1023, read()[1023]);
}

TEST_F(Copy, APinnedSourceIsReadWhenTheCopyRuns) {
  CUstream s = stream();
  pinned()[0] = 1;
  {
    Gate gate(s, pinned_address() + 8, pinned() + 2);
    CHECK_CU(cuMemcpyHtoDAsync_v2(memory_, pinned(), sizeof(int), s));
    __atomic_store_n(pinned(), 2, __ATOMIC_RELEASE);
  }
  EXPECT_EQ(2, read()[0]);
}

TEST_F(Copy, ToPageableMemoryIsSynchronous) {
  CUstream s = stream();
  int host = 0;
  for (int i = 1; i < 50; i++) {
    CHECK_CU(add(s, 1));
    CHECK_CU(cuMemcpyDtoHAsync_v2(&host, memory_, sizeof host, s));
    ASSERT_EQ(i, host);
  }
}

TEST_F(Copy, ALargePageableSourceIsSynchronous) {
  CUstream s = stream();
  const size_t bytes = 1 << 20;
  CUdeviceptr big = 0;
  CHECK_CU(cuMemAlloc_v2(&big, bytes));
  std::vector<unsigned char> source(bytes, 7), back(bytes);
  for (int round = 0; round < 10; round++) {
    CHECK_CU(cuMemcpyHtoDAsync_v2(big, source.data(), bytes, s));
    std::fill(source.begin(), source.end(), 8);
    CHECK_CU(cuMemcpyDtoH_v2(back.data(), big, bytes));
    ASSERT_EQ(std::vector<unsigned char>(bytes, 7), back);
    std::fill(source.begin(), source.end(), 7);
  }
}

TEST_F(Copy, DeviceToDeviceDoesNotStopTheHost) {
  CUstream s = stream(CU_STREAM_DEFAULT);  // the legacy stream waits for it
  Gate gate(s, pinned_address() + 8, pinned() + 2);
  CHECK_CU(cuMemcpyDtoD_v2(memory_, memory_ + 2048, 16));
  CHECK_CU(cuMemsetD8_v2(memory_, 1, 16));
  EXPECT_EQ(CUDA_ERROR_NOT_READY, cuStreamQuery(nullptr));
}

TEST_F(Copy, TwoDimensions) {
  // 3 rows of 5 bytes out of a 7 byte pitch, from row 1, column 2, into a 16 byte pitch.
  std::vector<unsigned char> source(7 * 4);
  std::iota(source.begin(), source.end(), 0);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = source.data();
  copy.srcPitch = 7, copy.srcXInBytes = 2, copy.srcY = 1;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory_;
  copy.dstPitch = 16, copy.dstXInBytes = 1, copy.dstY = 2;
  copy.WidthInBytes = 5, copy.Height = 3;
  CHECK_CU(cuMemcpy2D_v2(&copy));
  const std::vector<int> all = read();
  const auto* bytes = reinterpret_cast<const unsigned char*>(all.data());
  for (int y = 0; y < 3; y++) {
    for (int x = 0; x < 5; x++) EXPECT_EQ(source[(y + 1) * 7 + 2 + x], bytes[(y + 2) * 16 + 1 + x]);
  }
  EXPECT_EQ(0, bytes[2 * 16 + 6]);
  EXPECT_EQ(0, bytes[2 * 16]);
  copy.srcPitch = 6;  // narrower than the rows
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&copy));
  copy.srcPitch = 7, copy.dstY = 300;  // past the end
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&copy));
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuMemcpy2D_v2(&copy));  // no array
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(nullptr));
}

TEST_F(Copy, ThreeDimensions) {
  CUDA_MEMCPY3D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = pinned();
  copy.srcPitch = 8, copy.srcHeight = 4;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = memory_;
  copy.dstPitch = 16, copy.dstHeight = 8;
  copy.WidthInBytes = 8, copy.Height = 3, copy.Depth = 2;
  for (int i = 0; i < 16; i++) pinned()[i] = i + 1;
  CHECK_CU(cuMemcpy3D_v2(&copy));
  const std::vector<int> all = read();
  for (int z = 0; z < 2; z++) {
    for (int y = 0; y < 3; y++) {
      for (int x = 0; x < 2; x++) {
        EXPECT_EQ(pinned()[z * 8 + y * 2 + x], all[z * 32 + y * 4 + x])
            << z << ' ' << y << ' ' << x;
      }
    }
  }
  copy.srcHeight = 2;  // fewer rows a slice than are copied
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D_v2(&copy));
}

TEST_F(Copy, Batch) {
  CUstream s = stream();
  for (int i = 0; i < 8; i++) pinned()[i] = i + 1;
  CUdeviceptr to[8], from[8];
  size_t sizes[8];
  for (int i = 0; i < 8; i++) {
    to[i] = memory_ + (7 - i) * sizeof(int);
    from[i] = pinned_address() + i * sizeof(int);
    sizes[i] = sizeof(int);
  }
  CUmemcpyAttributes attributes{};
  attributes.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  size_t first = 0, failed = 0;
  CHECK_CU(cuMemcpyBatchAsync(to, from, sizes, 8, &attributes, &first, 1, &failed, s));
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(SIZE_MAX, failed);
  const std::vector<int> all = read();
  for (int i = 0; i < 8; i++) EXPECT_EQ(8 - i, all[i]);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuMemcpyBatchAsync_v2(to, from, sizes, 8, &attributes, &first, 1, nullptr));
  CHECK_CU(cuMemAddressReserve(&to[5], 2 << 20, 0, 0, 0));  // a device address where nothing is
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuMemcpyBatchAsync(to, from, sizes, 8, &attributes, &first, 1, &failed, s));
  EXPECT_EQ(5u, failed);
}

TEST_F(Copy, RefusesWhatIsNotMemoryOfThatKind) {
  int host[4] = {};
  const CUdeviceptr end = memory_ + kCount * sizeof(int);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(0, host, 4));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(memory_, nullptr, 4));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuMemcpyHtoD_v2(reinterpret_cast<CUdeviceptr>(host), host, 4));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(end - 4, host, 1 << 22));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD_v2(memory_, memory_, 1 << 22));
  CUdeviceptr nothing = 0;
  CHECK_CU(cuMemAddressReserve(&nothing, 2 << 20, 0, 0, 0));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(host, nothing, 4));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemcpy(nothing, memory_, 4));
  EXPECT_EQ(CUDA_SUCCESS, cuMemcpyHtoD_v2(0, nullptr, 0));
  EXPECT_EQ(CUDA_SUCCESS, cuMemcpy(memory_, reinterpret_cast<CUdeviceptr>(host), 16));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE,
            cuMemcpyHtoDAsync_v2(memory_, host, 4, reinterpret_cast<CUstream>(host)));
}

TEST_F(Set, AllWidths) {
  CHECK_CU(cuMemsetD8_v2(memory_, 0x11, 4));
  CHECK_CU(cuMemsetD16_v2(memory_ + 4, 0x2233, 2));
  CHECK_CU(cuMemsetD32_v2(memory_ + 8, 0x44556677, 1));
  CHECK_CU(cuMemsetD2D8_v2(memory_ + 64, 16, 0x99, 4, 3));
  CHECK_CU(cuMemsetD2D32_v2(memory_ + 256, 32, 5, 2, 2));
  const std::vector<int> all = read();
  EXPECT_EQ(0x11111111, all[0]);
  EXPECT_EQ(0x22332233, all[1]);
  EXPECT_EQ(0x44556677, all[2]);
  EXPECT_EQ(static_cast<int>(0x99999999), all[24]);
  EXPECT_EQ(0, all[25]);
  EXPECT_EQ(5, all[73]);
  EXPECT_EQ(0, all[74]);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemsetD32_v2(memory_ + 2, 0, 1));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemsetD16_v2(memory_ + 1, 0, 1));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemsetD2D8_v2(memory_, 4, 0, 8, 2));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(memory_, 0, 1 << 22));
  EXPECT_EQ(CUDA_SUCCESS, cuMemsetD8_v2(memory_, 0, 0));
}

}  // namespace
}  // namespace exec
