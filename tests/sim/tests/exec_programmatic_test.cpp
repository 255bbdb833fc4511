// SPDX-License-Identifier: Apache-2.0
// Programmatic dependent launch: kernels of one stream that really run at once.
#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

// first(flag, p): lets the next kernel begin, waits until that has set the flag, then *p = 5.
// early(p): lets the next kernel begin, then *p = 5 as soon as it gets to it.
// second(flag, p, out): sets the flag, waits for the first kernel, *out = *p.
// hasty(p, out): *out = *p without waiting.
constexpr char kDependentPtx[] = R"(
.version 7.8
.target sm_90
.address_size 64
.visible .entry first(.param .u64 flag, .param .u64 p)
{
  .reg .pred %p<2>;
  .reg .b32 %r<3>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [flag];
  ld.param.u64 %rd2, [p];
  griddepcontrol.launch_dependents;
AGAIN:
  ld.volatile.global.u32 %r1, [%rd1];
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra AGAIN;
  mov.u32 %r2, 5;
  st.volatile.global.u32 [%rd2], %r2;
  ret;
}
.visible .entry early(.param .u64 p)
{
  .reg .pred %p<2>;
  .reg .b32 %r<3>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd2, [p];
  griddepcontrol.launch_dependents;
  mov.u32 %r1, 20000;
AGAIN:
  sub.u32 %r1, %r1, 1;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra AGAIN;
  mov.u32 %r2, 5;
  st.volatile.global.u32 [%rd2], %r2;
  ret;
}
.visible .entry second(.param .u64 flag, .param .u64 p, .param .u64 out)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [flag];
  ld.param.u64 %rd2, [p];
  ld.param.u64 %rd3, [out];
  mov.u32 %r1, 1;
  st.volatile.global.u32 [%rd1], %r1;
  griddepcontrol.wait;
  ld.volatile.global.u32 %r2, [%rd2];
  st.global.u32 [%rd3], %r2;
  ret;
}
.visible .entry hasty(.param .u64 p, .param .u64 out)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd2, [p];
  ld.param.u64 %rd3, [out];
  ld.volatile.global.u32 %r2, [%rd2];
  st.global.u32 [%rd3], %r2;
  ret;
}
)";

class Programmatic : public Exec {
 protected:
  void SetUp() override {
    Exec::SetUp();
    CHECK_CU(cuModuleLoadData(&dependent_, kDependentPtx));
    stream_ = stream();
  }
  // Four words apart in memory_.
  CUdeviceptr word(unsigned index) const { return memory_ + 16 * index; }
  enum Order { kStrict, kProgrammatic };
  template <class... Values>
  CUresult launch(const char* name, Order order, std::vector<CUlaunchAttribute> attributes,
                  Values... values) {
    CUfunction function = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuModuleGetFunction(&function, dependent_, name));
    CUlaunchAttribute overlap{};
    overlap.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    overlap.value.programmaticStreamSerializationAllowed = order == kProgrammatic;
    attributes.push_back(overlap);
    CUlaunchConfig config{};
    config.gridDimX = config.gridDimY = config.gridDimZ = 1;
    config.blockDimX = config.blockDimY = config.blockDimZ = 1;
    config.hStream = stream_;
    config.attrs = attributes.data();
    config.numAttrs = static_cast<unsigned>(attributes.size());
    void* parameters[] = {&values...};
    return cuLaunchKernelEx(&config, function, parameters, nullptr);
  }
  CUmodule dependent_ = nullptr;
  CUstream stream_ = nullptr;
};

// The first kernel cannot end before the second one has begun.
TEST_F(Programmatic, TheSecondBeginsWhileTheFirstRuns) {
  CHECK_CU(launch("first", kStrict, {}, word(0), word(1)));
  CHECK_CU(launch("second", kProgrammatic, {}, word(0), word(1), word(2)));
  CHECK_CU(chain(stream_, 3));  // an ordinary launch is behind both
  EXPECT_EQ(1 * 31 + 3, read()[0]);
  EXPECT_EQ(5, read()[8]);  // and the second one has waited
}

TEST_F(Programmatic, WhoDoesNotWaitSeesEither) {
  bool old_value = false, new_value = false;
  for (int round = 0; round < 2000 && !(old_value && new_value); round++) {
    CHECK_CU(cuMemsetD32Async(word(1), 0, 1, stream_));
    CHECK_CU(launch("early", kStrict, {}, word(1)));
    CHECK_CU(launch("hasty", kProgrammatic, {}, word(1), word(2)));
    CHECK_CU(launch("hasty", kStrict, {}, word(1), word(3)));
    const std::vector<int> got = read();
    (got[8] == 5 ? new_value : old_value) = true;
    ASSERT_EQ(5, got[12]);
  }
  EXPECT_TRUE(old_value);
  EXPECT_TRUE(new_value);
}

TEST_F(Programmatic, WithoutTheAttributeOrTheTriggerNothingOverlaps) {
  for (int round = 0; round < 50; round++) {
    CHECK_CU(cuMemsetD32Async(word(1), 0, 1, stream_));
    CHECK_CU(launch("early", kStrict, {}, word(1)));
    CHECK_CU(launch("hasty", kStrict, {}, word(1), word(2)));
    CHECK_CU(chain(stream_, 1));  // triggers when it is done
    CHECK_CU(launch("hasty", kProgrammatic, {}, word(0), word(3)));
    const std::vector<int> got = read();
    ASSERT_EQ(5, got[8]);
    ASSERT_EQ(got[0], got[12]);
  }
}

// Both kinds of event fire while the kernel that names them still runs.
TEST_F(Programmatic, EventsFireInsideALaunch) {
  CUlaunchAttribute trigger{}, begin{};
  trigger.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT;
  begin.id = CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT;
  trigger.value.programmaticEvent.event = event();
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,  // it tells time
            launch("first", kStrict, {trigger}, word(0), word(1)));
  trigger.value.programmaticEvent.event = event(CU_EVENT_DISABLE_TIMING);
  begin.value.launchCompletionEvent.event = event(CU_EVENT_DISABLE_TIMING);
  CHECK_CU(launch("first", kStrict, {trigger, begin}, word(0), word(1)));
  CUstream other = stream();
  CHECK_CU(cuStreamWaitEvent(other, trigger.value.programmaticEvent.event, 0));
  CHECK_CU(cuMemsetD32Async(word(0), 1, 1, other));  // lets the kernel end
  CHECK_CU(cuEventSynchronize(begin.value.launchCompletionEvent.event));
  CHECK_CU(cuStreamSynchronize(stream_));
  EXPECT_EQ(5, read()[4]);
}

}  // namespace
}  // namespace exec
