// SPDX-License-Identifier: Apache-2.0
// Memory operations of streams.
#include "tests/random/execute.h"

namespace random_program {

void Executor::perform(Turn&, const Operation& operation, const WriteValue& work) {
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
