// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "tests/random/digest.h"
#include "tests/random/execute.h"

namespace random_program {

// Answers are compared with and without the library, so addresses are told relative to the buffer.
void Executor::perform(Turn& turn, const Operation& operation, const Ask& work) {
  const LiveBuffer& live = buffers_[work.buffer];
  const CUdeviceptr address = live.address + work.offset;
  std::string answer;
  switch (work.question) {
    case Question::Attributes: {
      unsigned type = 0, managed = 7, mapped = 7;
      int ordinal = -1;
      CUdeviceptr pointer = 0, start = 0;
      size_t size = 0;
      CUcontext context = nullptr;
      unsigned long long id = 0;
      CUpointer_attribute names[] = {
          CU_POINTER_ATTRIBUTE_MEMORY_TYPE,    CU_POINTER_ATTRIBUTE_IS_MANAGED,
          CU_POINTER_ATTRIBUTE_MAPPED,         CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
          CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
          CU_POINTER_ATTRIBUTE_RANGE_SIZE,     CU_POINTER_ATTRIBUTE_CONTEXT,
          CU_POINTER_ATTRIBUTE_BUFFER_ID};
      void* values[] = {&type, &managed, &mapped, &ordinal, &pointer, &start, &size, &context, &id};
      check(cuPointerGetAttributes(9, names, values, address), "cuPointerGetAttributes");
      void* host_pointer = nullptr;
      const CUresult host_answer =
          cuPointerGetAttribute(&host_pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, address);
      unsigned long long again = 0;
      check(cuPointerGetAttribute(&again, CU_POINTER_ATTRIBUTE_BUFFER_ID, live.address),
            "cuPointerGetAttribute");
      answer = text(
          "type %u managed %u mapped %u device %d at %+lld start %+lld whole %d context %d "
          "one id %d host %d",
          type, managed, mapped, ordinal, static_cast<long long>(pointer - address),
          static_cast<long long>(start - live.address), size >= plan_.buffers[work.buffer].bytes,
          context == home(operation).context, id != 0 && id == again,
          static_cast<int>(host_answer));
      break;
    }
    case Question::AddressRange: {
      CUdeviceptr base = 0;
      size_t size = 0;
      check(cuMemGetAddressRange(&base, &size, address), "cuMemGetAddressRange");
      answer = text("base %+lld whole %d", static_cast<long long>(base - live.address),
                    size >= plan_.buffers[work.buffer].bytes);
      break;
    }
    case Question::MemoryInfo: {
      size_t free = 0, total = 0;
      check(cuMemGetInfo(&free, &total), "cuMemGetInfo");
      answer = text("possible %d", total > 0 && free <= total);
      break;
    }
    case Question::Pools: {
      for (CUmemoryPool pool : {home(operation).default_pool, home(operation).own_pool}) {
        cuuint64_t keep = work.offset % 2 ? work.offset : 0, kept = 1;
        check(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep),
              "cuMemPoolSetAttribute");
        check(cuMemPoolTrimTo(pool, work.offset), "cuMemPoolTrimTo");
        check(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &kept),
              "cuMemPoolGetAttribute");
        // The program's threads may ask at once.
        answer += text("possible %d ", plan_.threads > 1 || kept == keep);
      }
      break;
    }
  }
  turn.seen += text("ask buffer %d offset %zu: ", work.buffer, work.offset) + answer + "\n";
}

void Executor::perform(Turn& turn, const Operation&, const Checkpoint& work) {
  for (int index : work.buffers) {
    const Buffer& buffer = plan_.buffers[index];
    enter(buffer.context);
    char* const bytes = turn.scratch.of(buffer.bytes);
    if (buffer.source == Source::Pitch) {
      CUDA_MEMCPY2D rows{};
      rows.srcMemoryType = CU_MEMORYTYPE_DEVICE;
      rows.srcDevice = buffers_[index].address;
      rows.srcPitch = buffers_[index].pitch;
      rows.dstMemoryType = CU_MEMORYTYPE_HOST;
      rows.dstHost = bytes;
      rows.dstPitch = buffer.width;
      rows.WidthInBytes = buffer.width;
      rows.Height = buffer.height;
      check(cuMemcpy2D(&rows), "cuMemcpy2D of a checkpoint");
    } else {
      check(cuMemcpyDtoH(bytes, buffers_[index].address, buffer.bytes),
            "cuMemcpyDtoH of a checkpoint");
    }
    turn.seen += text("check %zu buffer %d bytes %zu", turn.index, index, buffer.bytes) +
                 digest(bytes, buffer.bytes) + "\n";
    if (!dump_directory_.empty()) {
      std::ofstream(dump_directory_ + text("/%zu-%d", turn.index, index), std::ios::binary)
          .write(bytes, static_cast<std::streamsize>(buffer.bytes));
    }
  }
}

}  // namespace random_program
