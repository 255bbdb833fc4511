// SPDX-License-Identifier: Apache-2.0
// Stream memory operations. The waits alone are in pin.cpp.
#include "interpose/body.h"
#include "runtime/rewrites.h"

namespace {

using spillway::Access;
using spillway::AccessList;
using spillway::Manager;
using spillway::PinReason;
using spillway::Rewrite;
using spillway::StreamRef;

template <class Value>
Rewrite value_written(CUdeviceptr to, const Value& value) {
  return spillway::rewrite_of(to, reinterpret_cast<CUdeviceptr>(&value), sizeof value,
                              Rewrite::Source::Host);
}

CUresult read_operations(Manager& manager, const CUstreamBatchMemOpParams* list, size_t count,
                         AccessList& written) noexcept {
  if (!written.reserve(count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    // Every operation but the two barriers begins alike: kind, address. Unknown kinds are the
    // driver's to refuse.
    switch (static_cast<int>(list[i].operation)) {
      case CU_STREAM_MEM_OP_WRITE_VALUE_32:
        written.add({list[i].writeValue.address, sizeof(cuuint32_t)});
        break;
      case CU_STREAM_MEM_OP_WRITE_VALUE_64:
        written.add({list[i].writeValue.address, sizeof(cuuint64_t)});
        break;
      case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      case CU_STREAM_MEM_OP_WAIT_VALUE_64: {
        const CUresult result = manager.pin(list[i].waitValue.address, PinReason::Waited);
        if (result != CUDA_SUCCESS) return result;
        break;
      }
      default:
        break;
    }
  }
  return CUDA_SUCCESS;
}

template <class Submit>
CUresult batch(Manager* manager, const CUstreamBatchMemOpParams* list, unsigned count,
               StreamRef stream, Submit&& submit) {
  AccessList written;
  if (list == nullptr) return submit();
  const CUresult result = read_operations(*manager, list, count, written);
  if (result != CUDA_SUCCESS) return result;
  spillway::RewriteList rewrites;
  if (!rewrites.reserve(count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (unsigned i = 0; i < count; ++i)
    if (list[i].operation == CU_STREAM_MEM_OP_WRITE_VALUE_64)
      rewrites.add(value_written(list[i].writeValue.address, list[i].writeValue.value64));
  return manager->rewrite(rewrites.span(), stream, [&]() noexcept {
    return manager->touch(written.span(), stream, submit);
  });
}

template <class Value, class Submit>
CUresult write_value(Manager* manager, CUdeviceptr address, const Value& value, StreamRef stream,
                     Submit&& submit) {
  const Rewrite rewrite = value_written(address, value);
  return manager->rewrite({&rewrite, 1}, stream, [&]() noexcept {
    return manager->touch({Access{address, sizeof value}}, stream, submit);
  });
}

}  // namespace

#define WRITE_BODY(symbol, Value)                                                        \
  BODY_PTSZ(symbol, (CUstream stream, CUdeviceptr address, Value value, unsigned flags), \
            (stream, address, value, flags),                                             \
            write_value(manager, address, value, on(stream), submit))

WRITE_BODY(cuStreamWriteValue32, cuuint32_t)
WRITE_BODY(cuStreamWriteValue32_v2, cuuint32_t)
WRITE_BODY(cuStreamWriteValue64, cuuint64_t)
WRITE_BODY(cuStreamWriteValue64_v2, cuuint64_t)

BODY_PTSZ(cuStreamBatchMemOp,
          (CUstream stream, unsigned count, CUstreamBatchMemOpParams* list, unsigned flags),
          (stream, count, list, flags), batch(manager, list, count, on(stream), submit))
BODY_PTSZ(cuStreamBatchMemOp_v2,
          (CUstream stream, unsigned count, CUstreamBatchMemOpParams* list, unsigned flags),
          (stream, count, list, flags), batch(manager, list, count, on(stream), submit))
