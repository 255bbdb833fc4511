// SPDX-License-Identifier: Apache-2.0
// Memory operations of streams.
#include "tests/random/execute.h"

namespace random_program {

namespace {

CUstreamBatchMemOpParams write_of(CUdeviceptr to, uint64_t value, size_t bytes) {
  CUstreamBatchMemOpParams one{};
  one.writeValue.operation =
      bytes == 8 ? CU_STREAM_MEM_OP_WRITE_VALUE_64 : CU_STREAM_MEM_OP_WRITE_VALUE_32;
  one.writeValue.address = to;
  if (bytes == 8)
    one.writeValue.value64 = value;
  else
    one.writeValue.value = static_cast<cuuint32_t>(value);
  return one;
}

CUstreamBatchMemOpParams wait_for(CUdeviceptr at, uint64_t value, size_t bytes) {
  CUstreamBatchMemOpParams one{};
  one.waitValue.operation =
      bytes == 8 ? CU_STREAM_MEM_OP_WAIT_VALUE_64 : CU_STREAM_MEM_OP_WAIT_VALUE_32;
  one.waitValue.address = at;
  one.waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
  if (bytes == 8)
    one.waitValue.value64 = value;
  else
    one.waitValue.value = static_cast<cuuint32_t>(value);
  return one;
}

}  // namespace

// As one value or, now and then, as its two halves.
void Executor::write_in_batch(const Operation& operation, const WriteValue& work) {
  const CUdeviceptr to = device(work.target);
  const size_t bytes = work.target.bytes;
  std::vector<CUstreamBatchMemOpParams> batch;
  if (bytes == 8 && work.value / 2 % 2 == 1) {
    batch = {write_of(to, work.value, 4), write_of(to + 4, work.value >> 32, 4)};
  } else {
    batch = {write_of(to, work.value, bytes)};
  }
  if (work.waits) batch.push_back(wait_for(to, work.value, bytes));
  check(calls(operation).batch_of_values(stream(operation), static_cast<unsigned>(batch.size()),
                                         batch.data(), 0),
        "cuStreamBatchMemOp");
}

void Executor::perform(Turn&, const Operation& operation, const WriteValue& work) {
  if (work.batch) return write_in_batch(operation, work);
  const CUdeviceptr to = device(work.target);
  const Calls& call = calls(operation);
  const CUstream on = stream(operation);
  const auto low = static_cast<cuuint32_t>(work.value);
  constexpr unsigned kEqual = CU_STREAM_WAIT_VALUE_EQ;
  if (work.target.bytes == 8) {
    check(call.write64(on, to, work.value, 0), "cuStreamWriteValue64");
    if (work.waits) check(call.wait64(on, to, work.value, kEqual), "cuStreamWaitValue64");
  } else {
    check(call.write32(on, to, low, 0), "cuStreamWriteValue32");
    if (work.waits) check(call.wait32(on, to, low, kEqual), "cuStreamWaitValue32");
  }
}

}  // namespace random_program
