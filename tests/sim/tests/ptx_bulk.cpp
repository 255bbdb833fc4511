// SPDX-License-Identifier: Apache-2.0
// Bulk copies, tensor maps and mbarriers: what nvcc emits, and what is refused.
#include <cstddef>
#include <numeric>

#include "tests/sim/ptx/tensor_map.h"
#include "tests/sim/tests/ptx_device.h"

namespace sim::ptx::test {
namespace {

struct alignas(64) Map {
  TensorMap told{};
  char rest[128 - sizeof(TensorMap)] = {};
};

// Of 32-bit numbers. Rows lie `pitch` bytes apart.
Map map_of(uint64_t address, std::vector<uint32_t> dims, std::vector<uint32_t> box,
           uint32_t pitch = 0, uint8_t swizzle = 0) {
  Map map;
  TensorMap& t = map.told;
  t.address = address;
  t.rank = static_cast<uint8_t>(dims.size());
  t.element = 4;
  t.swizzle = swizzle;
  uint32_t stride = pitch ? pitch : dims[0] * 4;
  for (size_t i = 0; i < dims.size(); ++i) {
    t.dims_less_one[i] = dims[i] - 1;
    t.box[i] = box[i];
    t.steps[i] = 1;
    if (i + 1 == dims.size()) break;
    t.strides_by_16[i] = stride / 16;
    stride *= dims[i + 1];
  }
  t.seal = seal_of(t);
  return map;
}

std::vector<int> numbers(size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

class Bulk : public testing::Test {
 protected:
  void SetUp() override { module_ = device_.load_file("bulk.ptx"); }
  template <class... A>
  Result launch(const char* name, unsigned threads, const A&... a) {
    return device_.launch(*module_, name, grid({1}, {threads}), a...);
  }
  template <class... A>
  void ok(const char* name, unsigned threads, const A&... a) {
    const Result r = launch(name, threads, a...);
    EXPECT_EQ(r.outcome, Outcome::Ok) << r.message;
  }
  Device device_;
  std::unique_ptr<Module> module_;
};

TEST_F(Bulk, ABoxInsideAndAcrossEveryEdgeOfATensor) {
  constexpr int kWidth = 100, kHeight = 40, kPitch = 112;  // in numbers
  const std::vector<int> values = numbers(kPitch * kHeight);
  const uint64_t in = device_.put(values), out = device_.allocate(256 * 4);
  const Map map = map_of(in, {kWidth, kHeight}, {32, 8}, kPitch * 4);
  for (const auto& [x, y] : std::vector<std::pair<int, int>>{
           {0, 0}, {7, 3}, {68, 32}, {90, 10}, {-5, 10}, {10, -3}, {10, 36}, {500, 0}, {0, -8}}) {
    for (unsigned threads : {1u, 64u}) {
      ok("tile", threads, map, out, x, y);
      const auto got = device_.get<int>(out, 256);
      for (int i = 0; i < 256; ++i) {
        const int column = x + i % 32, row = y + i / 32;
        const bool inside = column >= 0 && column < kWidth && row >= 0 && row < kHeight;
        ASSERT_EQ(got[i], inside ? values[row * kPitch + column] : 0) << x << " " << y << " " << i;
      }
    }
  }
}

TEST_F(Bulk, AMapInGlobalMemoryAndTwoPhasesOfABarrier) {
  const std::vector<int> values = numbers(100);
  const uint64_t in = device_.put(values), out = device_.allocate(64 * 4);
  const uint64_t map = device_.put(std::vector<Map>{map_of(in, {100}, {32})});
  ok("lines", 32, map, out, 40);
  const auto got = device_.get<int>(out, 64);
  for (int i = 0; i < 64; ++i) ASSERT_EQ(got[i], i < 60 ? values[40 + i] : 0) << i;
}

TEST_F(Bulk, PlainBytesInAndOut) {
  const std::vector<int> values = numbers(64);
  const uint64_t in = device_.put(values), out = device_.allocate(64 * 4);
  const Result r = launch("bytes", 64, in, out);
  ASSERT_EQ(r.outcome, Outcome::Ok) << r.message;
  const auto got = device_.get<int>(out, 64);
  for (int i = 0; i < 64; ++i) ASSERT_EQ(got[i], values[i] + 1) << i;
  EXPECT_EQ(r.counts.bytes_loaded, 256u);
  EXPECT_EQ(r.counts.bytes_stored, 256u);
}

TEST_F(Bulk, ABoxIsWrittenWhereTheTensorIsAndNowhereElse) {
  const std::vector<int> values = numbers(256);
  const uint64_t in = device_.put(values);
  const uint64_t out = device_.put(std::vector<int>(40 * 10, -1));
  const Variable* constant = module_->variable("constant_map");
  ASSERT_TRUE(constant);
  // The last 4 columns lie between the rows of the tensor.
  const Map map = map_of(out, {36, 10}, {32, 8}, 40 * 4);
  std::memcpy(device_.window().host(constant->address), &map, sizeof map);
  ok("put", 32, in, 8, 5);
  const auto got = device_.get<int>(out, 40 * 10);
  for (int i = 0; i < 400; ++i) {
    const int column = i % 40 - 8, row = i / 40 - 5;
    const bool inside = column >= 0 && i % 40 < 36 && row >= 0;
    ASSERT_EQ(got[i], inside ? values[row * 32 + column] : -1) << i;
  }
}

TEST_F(Bulk, MemoryThatIsNotThereIsAFaultOfTheCopy) {
  const uint64_t out = device_.allocate(256 * 4);
  const uint64_t nowhere = 0x10000;  // below everything that Linux maps
  const Result r = launch("tile", 32, map_of(nowhere, {100, 40}, {32, 8}), out, 0, 0);
  EXPECT_EQ(r.outcome, Outcome::IllegalAddress);
  EXPECT_NE(r.message.find("cp.async.bulk.tensor"), std::string::npos) << r.message;
}

TEST_F(Bulk, WhatIsNoTensorMapIsRefused) {
  const uint64_t in = device_.put(numbers(4096)), out = device_.allocate(256 * 4);
  const Map right = map_of(in, {64, 64}, {32, 8});
  Map wrong = right;
  wrong.told.box[0] = 16;
  EXPECT_EQ(launch("tile", 32, wrong, out, 0, 0).outcome, Outcome::IllegalInstruction);
  EXPECT_EQ(launch("tile", 32, map_of(in, {64}, {32}), out, 0, 0).outcome,
            Outcome::IllegalInstruction);
  // Another address is another tensor of the same shape.
  wrong = right;
  wrong.told.address += 64 * 4;
  ok("tile", 32, wrong, out, 0, 0);
  EXPECT_EQ(device_.get<int>(out, 1)[0], 65);
  const uint64_t maps = device_.put(std::vector<Map>{map_of(in, {64}, {32})});
  EXPECT_EQ(launch("lines", 32, maps + 32, out, 0).outcome, Outcome::Misaligned);
}

// One thread. %r10: shared memory, whose first word is 77 and is told at the end; %r11: an mbarrier
// for one arrival; %rd1: global memory with the numbers from 1 on; %rd3: a map of it, with rows of
// 128 bytes that are swizzled.
struct Told {
  Result result;
  uint32_t word = 0;
};

Told single(const std::string& body) {
  Device device;
  const std::string text =
      std::string(kHead) +
      ".visible .entry k(.param .align 64 .b8 m[128], .param .u64 i, .param .u64 o) {\n"
      ".reg .b32 %r<40>; .reg .b64 %rd<40>; .reg .pred %p<9>;\n"
      ".shared .align 1024 .b8 area[4096]; .shared .align 8 .b64 barrier[2];\n"
      "ld.param.u64 %rd1, [i]; ld.param.u64 %rd2, [o];\n"
      "mov.b64 %rd3, m; cvta.param.u64 %rd3, %rd3;\n"
      "mov.u32 %r10, area; mov.u32 %r11, barrier; mov.u32 %r0, 77; st.shared.u32 [%r10], %r0;\n"
      "mbarrier.init.shared.b64 [%r11], 1;\n" +
      body + "\nld.shared.u32 %r0, [%r10]; st.global.u32 [%rd2], %r0;\nret;\n}\n";
  Told told;
  const auto module = device.load(text);
  if (!module) return told;
  const uint64_t in = device.put(numbers(4096)), out = device.put(std::vector<uint32_t>{0});
  const Map map = map_of(in, {32, 64}, {32, 8}, 0, 3);
  told.result = device.launch(*module, "k", grid({1}, {1}), map, in, out);
  told.word = device.get<uint32_t>(out, 1)[0];
  return told;
}

const std::string kLoad =
    "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r10], [%rd1], 64, "
    "[%r11];\n";
const std::string kExpect = "mbarrier.arrive.expect_tx.shared::cta.b64 %rd9, [%r11], 64;\n";
const std::string kWait = "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r11], 0;\n";

TEST(BulkStrict, ACopyIsThereForWhoeverWaits) {
  const Told told = single(kLoad + kExpect + kWait);
  EXPECT_EQ(told.result.outcome, Outcome::Ok) << told.result.message;
  EXPECT_EQ(told.word, 1u);
}

TEST(BulkStrict, ACopyIsNotThereForOthers) {
  EXPECT_EQ(single(kLoad + kExpect).word, 77u);
  // A phase that ends without the bytes says nothing of them.
  EXPECT_EQ(single(kLoad + "mbarrier.arrive.shared::cta.b64 %rd9, [%r11];\n" + kWait).word, 77u);
}

TEST(BulkStrict, WhatIsNotAlignedFaults) {
  for (const char* line :
       {"add.u32 %r10, %r10, 8;", "add.u32 %r11, %r11, 4;", "add.u64 %rd1, %rd1, 8;"})
    EXPECT_EQ(single(line + kLoad).result.outcome, Outcome::Misaligned) << line;
  std::string size = kLoad;
  size.replace(size.find("64,"), 3, "24,");
  EXPECT_EQ(single(size).result.outcome, Outcome::Misaligned);
  const std::string box =
      "mov.u32 %r1, 0; cp.async.bulk.tensor.2d.shared::cluster.global.tile"
      ".mbarrier::complete_tx::bytes [%r10], [%rd3, {%r1, %r1}], [%r11];\n";
  EXPECT_EQ(single(box).result.outcome, Outcome::Ok);
  EXPECT_EQ(single("add.u32 %r10, %r10, 64;" + box).result.outcome, Outcome::Misaligned);
  EXPECT_EQ(single("add.u64 %rd3, %rd3, 32;" + box).result.outcome, Outcome::Misaligned);
  EXPECT_EQ(single("add.u32 %r10, %r10, 4096;" + box).result.outcome, Outcome::IllegalAddress);
}

TEST(BulkStrict, ASwizzleMixesPiecesOfSixteenBytes) {
  // Row 3 of the box, fourth number: its piece of 16 bytes, the first, is the fourth there.
  const Told told = single(
      "mov.u32 %r1, 0; cp.async.bulk.tensor.2d.shared::cluster.global.tile"
      ".mbarrier::complete_tx::bytes [%r10], [%rd3, {%r1, %r1}], [%r11];\n"
      "mbarrier.arrive.expect_tx.shared::cta.b64 %rd9, [%r11], 1024;\n" +
      kWait + "add.u32 %r10, %r10, 444;\n");  // 3 * 128 + 3 * 16 + 3 * 4
  EXPECT_EQ(told.result.outcome, Outcome::Ok) << told.result.message;
  EXPECT_EQ(told.word, 3u * 32 + 4);
}

TEST(BulkStrict, AWaitForGroupsLeavesTheLatest) {
  const std::string store =
      "cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r10], 16;\n"
      "cp.async.bulk.commit_group;\n";
  const std::string look = "ld.global.u32 %r5, [%rd1]; st.shared.u32 [%r10], %r5;\n";
  EXPECT_EQ(single(store + "cp.async.bulk.wait_group 0;\n" + look).word, 77u);
  EXPECT_EQ(single(store + "cp.async.bulk.wait_group 1;\n" + look).word, 1u);
  EXPECT_EQ(single(store + "cp.async.bulk.commit_group; cp.async.bulk.wait_group 1;\n" + look).word,
            77u);
}

TEST(Mbarriers, CountArrivalsAndChangePhase) {
  const Told told = single(
      "mbarrier.init.shared.b64 [%r11+8], 3;\n"
      "mbarrier.arrive.shared.b64 %rd5, [%r11+8];\n"
      "mbarrier.pending_count.b64 %r20, %rd5;\n"
      "mbarrier.arrive.shared.b64 _, [%r11+8];\n"
      "mbarrier.test_wait.shared.b64 %p1, [%r11+8], %rd5;\n"
      "mbarrier.test_wait.parity.shared.b64 %p2, [%r11+8], 1;\n"
      "mbarrier.arrive_drop.shared.b64 _, [%r11+8];\n"
      "mbarrier.test_wait.shared.b64 %p3, [%r11+8], %rd5;\n"
      "mbarrier.arrive.shared.b64 _, [%r11+8], 2;\n"
      "mbarrier.test_wait.parity.shared.b64 %p4, [%r11+8], 1;\n"
      "selp.u32 %r1, 1, 0, %p1; selp.u32 %r2, 2, 0, %p2; selp.u32 %r3, 4, 0, %p3;\n"
      "selp.u32 %r4, 8, 0, %p4; or.b32 %r1, %r1, %r2; or.b32 %r1, %r1, %r3;\n"
      "or.b32 %r1, %r1, %r4; shl.b32 %r20, %r20, 8; or.b32 %r1, %r1, %r20;\n"
      "st.shared.u32 [%r10], %r1;\n");
  EXPECT_EQ(told.result.outcome, Outcome::Ok) << told.result.message;
  // Pending after the first arrival: two. The old phase of another parity was over from the start.
  EXPECT_EQ(told.word, 2u << 8 | 2u | 4u | 8u);
}

TEST(Mbarriers, AreWhereTheyWereMade) {
  EXPECT_EQ(single("mbarrier.arrive.shared.b64 _, [%r11+8];\n").result.outcome, Outcome::Trap);
  EXPECT_EQ(single("mbarrier.arrive.shared.b64 _, [%r11], 2;\n").result.outcome, Outcome::Trap);
  EXPECT_EQ(single("mbarrier.inval.shared.b64 [%r11];\n" + kWait).result.outcome, Outcome::Trap);
  EXPECT_EQ(single("mbarrier.init.shared.b64 [%r11], 0;\n").result.outcome, Outcome::Trap);
  EXPECT_EQ(single("mbarrier.arrive.b64 _, [%rd1];\n").result.outcome, Outcome::IllegalAddress);
}

TEST(BulkStrict, OtherFormsAreRefused) {
  for (const char* line :
       {"cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1], [%r10], 16;",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
        "[%r10], [%rd1], 64, [%r11], 1;",
        "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r10], [%r10], "
        "64, [%r11];"})
    EXPECT_EQ(single(line).result.outcome, Outcome::IllegalInstruction) << line;
}

}  // namespace
}  // namespace sim::ptx::test
