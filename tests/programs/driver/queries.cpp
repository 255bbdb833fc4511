// SPDX-License-Identifier: Apache-2.0
// What the driver says about memory. Each story tells it relative to the allocation, so that the
// answers can be compared with and without a library in front.
#include "tests/programs/driver/story.h"

using namespace story;

namespace {

struct Attribute {
  const char* name;
  CUpointer_attribute attribute;
};

#define ATTRIBUTE(name) \
  { #name, CU_POINTER_ATTRIBUTE_##name }
// Those whose value says the same for every implementation of an allocation.
constexpr Attribute kAttributes[] = {
    ATTRIBUTE(MEMORY_TYPE), ATTRIBUTE(IS_MANAGED),  ATTRIBUTE(DEVICE_ORDINAL),
    ATTRIBUTE(MAPPED),      ATTRIBUTE(SYNC_MEMOPS),
};
#undef ATTRIBUTE

void tell_attributes(const char* what, CUdeviceptr address) {
  for (const Attribute& one : kAttributes) {
    unsigned value = 0;
    const CUresult result = cuPointerGetAttribute(&value, one.attribute, address);
    say("%s: %s: %s %u", what, one.name, name_of(result), result == CUDA_SUCCESS ? value : 0);
  }
  CUcontext context = nullptr, current = nullptr;
  MUST(cuCtxGetCurrent(&current));
  CUresult result = cuPointerGetAttribute(&context, CU_POINTER_ATTRIBUTE_CONTEXT, address);
  say("%s: CONTEXT: %s current %d", what, name_of(result), context == current);
  CUdeviceptr pointer = 0;
  result = cuPointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, address);
  say("%s: DEVICE_POINTER: %s same %d", what, name_of(result), pointer == address);
  void* host = nullptr;
  result = cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, address);
  say("%s: HOST_POINTER: %s", what, name_of(result));
}

void tell_range(const char* what, const Buffer& buffer, size_t offset) {
  CUdeviceptr base = 0, start = 0;
  size_t size = 0, range = 0;
  MUST(cuMemGetAddressRange(&base, &size, buffer.address + offset));
  MUST(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                             buffer.address + offset));
  MUST(cuPointerGetAttribute(&range, CU_POINTER_ATTRIBUTE_RANGE_SIZE, buffer.address + offset));
  say("%s at %zu: base %+lld size %zu start %+lld range %zu", what, offset,
      static_cast<long long>(base - buffer.address), size,
      static_cast<long long>(start - buffer.address), range);
}

}  // namespace

STORY(attributes) {
  begin();
  const Buffer big = allocate(4 * kMiB), small = allocate(64 << 10);
  const Buffer pooled = allocate_async(4 * kMiB, nullptr);
  MUST(cuCtxSynchronize());
  tell_attributes("big", big.address);
  tell_attributes("big inside", big.address + 12345);
  tell_attributes("small", small.address);
  tell_attributes("pooled", pooled.address + 4);
  MUST(cuMemFree(big.address));
  unsigned type = 0;
  say("after the free: %s",
      name_of(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, big.address)));
}

STORY(several_attributes_at_once) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  CUpointer_attribute names[] = {
      CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
      CU_POINTER_ATTRIBUTE_HOST_POINTER, CU_POINTER_ATTRIBUTE_IS_MANAGED};
  int host_variable = 0;
  for (const CUdeviceptr address :
       {buffer.address + 100, reinterpret_cast<CUdeviceptr>(&host_variable)}) {
    unsigned type = 9, managed = 9;
    int ordinal = -9;
    void* host = &host_variable;
    void* values[] = {&type, &ordinal, &host, &managed};
    const CUresult result = cuPointerGetAttributes(4, names, values, address);
    say("%s type %u device %d host %s managed %u", name_of(result), type, ordinal,
        host == nullptr ? "null" : "set", managed & 0xff);
  }
}

// Sizes that no granule divides: the answer is what was asked for.
STORY(address_ranges) {
  begin();
  for (const size_t bytes : {4 * kMiB, 3 * kMiB + 4, 2 * kMiB, 2 * kMiB - 512, size_t{4096}}) {
    const Buffer buffer = allocate(bytes);
    tell_range("plain", buffer, 0);
    tell_range("plain", buffer, bytes / 2 + 1);
    tell_range("plain", buffer, bytes - 1);
    release(buffer);
  }
}

// Every allocation is a buffer of its own, for as long as it lives.
STORY(buffer_ids) {
  begin();
  std::vector<unsigned long long> ids;
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < 8; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    unsigned long long id = 0, inside = 0;
    MUST(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, buffers[i].address));
    MUST(cuPointerGetAttribute(&inside, CU_POINTER_ATTRIBUTE_BUFFER_ID, buffers[i].address + 999));
    EXPECT(id == inside);
    for (unsigned long long other : ids) EXPECT(id != other);
    ids.push_back(id);
  }
  // Used until every one has moved, if they move at all.
  for (uint32_t round = 0; round < 2; ++round) {
    for (const Buffer& buffer : buffers) {
      MUST(cuMemsetD8(buffer.address, 1, buffer.bytes));
      MUST(try_add(buffer, 1));
    }
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    unsigned long long id = 0;
    MUST(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, buffers[i].address));
    EXPECT(id == ids[i]);
  }
  MUST(cuMemFree(buffers[0].address));
  const Buffer again = allocate(4 * kMiB);
  unsigned long long id = 0;
  MUST(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, again.address));
  for (unsigned long long other : ids) EXPECT(id != other);
}

// Free memory shrinks by what is allocated, grows by what is freed, and never exceeds the total.
STORY(memory_info) {
  begin();
  size_t free_before = 0, free_after = 0, total = 0, total_after = 0, device_total = 0;
  MUST(cuMemGetInfo(&free_before, &total));
  MUST(cuDeviceTotalMem(&device_total, 0));
  EXPECT(total > 0 && free_before <= total);
  EXPECT(device_total == total);
  const Buffer buffer = allocate(8 * kMiB);
  MUST(cuMemGetInfo(&free_after, &total_after));
  EXPECT(total_after == total && free_after + 8 * kMiB <= free_before);
  release(buffer);
  MUST(cuMemGetInfo(&free_after, &total_after));
  EXPECT(total_after == total && free_after + 4 * kMiB >= free_before);
  // What is said to be free can be allocated, and holds bytes.
  std::vector<Buffer> rest;
  for (size_t left = free_after; left >= 4 * kMiB && rest.size() < 16; left -= 4 * kMiB) {
    rest.push_back(allocate(4 * kMiB));
    write_pattern(rest.back(), static_cast<uint32_t>(rest.size()));
  }
  for (size_t i = 0; i < rest.size(); ++i) expect_pattern(rest[i], static_cast<uint32_t>(i + 1));
}

// A handle for other processes: of an ordinary allocation, whatever its size.
STORY(a_handle_for_another_process) {
  begin();
  const Buffer large = allocate(8 * kMiB), small = allocate(kMiB);
  CUipcMemHandle handle;
  for (int time = 0; time < 2; time++)
    say("large: %s", name_of(cuIpcGetMemHandle(&handle, large.address)));
  say("small: %s", name_of(cuIpcGetMemHandle(&handle, small.address)));
}
