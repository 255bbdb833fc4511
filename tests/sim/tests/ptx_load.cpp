// SPDX-License-Identifier: Apache-2.0
// Images, errors at load, refusals at launch, and faults with their addresses.
#include <csetjmp>
#include <csignal>

#include "tests/sim/ptx/fault.h"
#include "tests/sim/tests/ptx_device.h"

namespace sim::ptx::test {
namespace {

LoadError load_error(const std::string& image, std::string* message, int compute = 90) {
  Device device;
  LoadError error;
  auto module =
      Module::load(image.data(), compute, device.window(), device.allocator(), &error, message);
  EXPECT_EQ(module == nullptr, error != LoadError::None);
  return error;
}

std::string kernel(const std::string& body) {
  return std::string(kHead) +
         ".visible .entry k(.param .u64 p) {\n.reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<9>; "
         ".reg .pred %p<5>;\nld.param.u64 %rd0, [p];\n" +
         body + "\nret;\n}\n";
}

TEST(Image, NewestPtxThatFits) {
  for (const char* name : {"images.fatbin", "images_plain.fatbin"}) {
    const std::string image = Device::file(name);
    struct {
      int compute, want;
    } cases[] = {{75, 750}, {80, 750}, {89, 750}, {90, 900}, {120, 900}};
    for (const auto& c : cases) {
      Device device;
      auto module = device.load(image, c.compute);
      ASSERT_TRUE(module);
      const uint64_t out = device.allocate(4);
      EXPECT_EQ(device.launch(*module, "architecture", grid({1}, {1}), out).outcome, Outcome::Ok);
      EXPECT_EQ(device.get<int>(out, 1)[0], c.want) << name;
    }
    std::string message;
    EXPECT_EQ(load_error(image, &message, 70), LoadError::NoImageForDevice);
    EXPECT_NE(message.find("compute_75 compute_90"), std::string::npos) << message;
  }
}

TEST(Image, WrapperAroundAContainer) {
  const std::string image = Device::file("images.fatbin");
  struct {
    uint32_t magic = 0x466243B1, version = 1;
    const void* data;
    void* unused = nullptr;
  } wrapper;
  wrapper.data = image.data();
  Device device;
  EXPECT_TRUE(device.load(std::string(reinterpret_cast<const char*>(&wrapper), sizeof wrapper)));
  wrapper.data = "no container";
  std::string message;
  EXPECT_EQ(
      load_error(std::string(reinterpret_cast<const char*>(&wrapper), sizeof wrapper), &message),
      LoadError::NotAnImage);
}

// A fatbin made by hand: one entry, LZ4 block.
std::string lz4_fatbin(const std::string& block, size_t unpacked) {
  std::string out(16 + 64, '\0');
  auto put = [&](size_t at, uint64_t value, size_t size) { std::memcpy(&out[at], &value, size); };
  put(0, 0xBA55ED50, 4), put(4, 1, 2), put(6, 16, 2), put(8, 64 + block.size(), 8);
  put(16, 1, 2), put(16 + 4, 64, 4), put(16 + 8, block.size(), 8), put(16 + 16, block.size(), 4);
  put(16 + 28, 75, 4), put(16 + 40, 0x2000, 8), put(16 + 56, unpacked, 8);
  return out + block;
}

TEST(Image, Lz4Blocks) {
  // Literals, an overlapping copy (a run of spaces) and the final literals.
  const std::string head = kHead, tail = "\n.visible .entry k() { ret; }\n";
  auto literals = [](const std::string& text) {
    std::string out;
    size_t left = text.size() - 15;
    for (; left >= 255; left -= 255) out += '\xff';
    return out + static_cast<char>(left) + text;
  };
  const std::string block = std::string("\xf6", 1) + literals(head + " ") +
                            std::string("\x01\x00", 2) + std::string("\xf0", 1) + literals(tail);
  Device device;
  auto module = device.load(lz4_fatbin(block, head.size() + 1 + 10 + tail.size()));
  ASSERT_TRUE(module);
  EXPECT_NE(module->kernel("k"), nullptr);
  std::string message;
  const std::string bad =
      std::string("\xf6", 1) + literals(head + " ") + std::string("\xff\xff", 2);
  EXPECT_EQ(load_error(lz4_fatbin(bad, 500), &message), LoadError::NotAnImage);
  EXPECT_EQ(load_error(lz4_fatbin(block, 20), &message), LoadError::NotAnImage)
      << "larger than it says";
}

TEST(Image, Garbage) {
  std::string message;
  EXPECT_EQ(load_error(std::string("hello\0", 6), &message), LoadError::NotAnImage);
  EXPECT_EQ(load_error(std::string("\0", 1), &message), LoadError::NotAnImage);
  EXPECT_EQ(load_error(std::string("\x7f"
                                   "ELF\0\0\0\0",
                                   8),
                       &message),
            LoadError::NoImageForDevice);
  std::string image = Device::file("images.fatbin");
  const uint64_t huge = ~0ull;
  std::memcpy(&image[16 + 8], &huge, 8);
  EXPECT_EQ(load_error(image, &message), LoadError::NotAnImage);
  image = Device::file("images.fatbin");
  for (size_t i = 120; i < 200; ++i) image[i] ^= 0x5a;
  EXPECT_NE(load_error(image, &message, 75), LoadError::None) << "broken zstd frame";
}

TEST(Syntax, ErrorsNameTheLine) {
  struct {
    const char* body;
    const char* says;
  } cases[] = {
      {"add.u32 %r1, %r2;", "too few operands"},
      {"add.u32 %r1, %r2, %rd3;", "wrong size"},
      {"bra NOWHERE;", "no label NOWHERE"},
      {"mov.u64 %rd1, missing;", "unknown name missing"},
      {"call nobody;", "unknown function nobody"},
      {"@%r1 add.u32 %r1, %r2, %r3;", "no predicate"},
      {"L: add.u32 %r1, %r2, %r3;\nL: ret;", "twice"},
  };
  for (const auto& c : cases) {
    std::string message;
    EXPECT_EQ(load_error(kernel(c.body), &message), LoadError::Syntax) << c.body;
    EXPECT_NE(message.find(c.says), std::string::npos) << message;
    EXPECT_NE(message.find("line "), std::string::npos) << message;
  }
  std::string message;
  EXPECT_EQ(load_error(std::string(kHead) + ".visible .entry k() { ret;", &message),
            LoadError::Syntax);
  EXPECT_EQ(load_error(std::string(kHead) + ".global .b32 x[1000000000000000000];", &message),
            LoadError::Syntax);
}

TEST(Refusal, OnlyTheKernelThatNeedsIt) {
  const std::string text =
      kernel("ret;") +
      ".visible .entry textured(.param .u64 p) {\n.reg .f32 %f<5>; .reg .b64 "
      "%rd<2>;\nld.param.u64 %rd1, [p];\n"
      "tex.3d.v4.f32.f32 {%f1,%f2,%f3,%f4}, [%rd1, {%f1,%f2,%f3,%f4}];\nret;\n}\n"
      ".visible .entry odd(.param .u64 p) {\n.reg .b32 %r<5>;\nadd.weird.u32 "
      "%r1,%r2,%r3;\nret;\n}\n";
  Device device;
  auto module = device.load(text);
  ASSERT_TRUE(module);
  EXPECT_EQ(device.launch(*module, "k", grid({1}, {32}), uint64_t{0}).outcome, Outcome::Ok);
  Result r = device.launch(*module, "textured", grid({1}, {32}), uint64_t{0});
  EXPECT_EQ(r.outcome, Outcome::IllegalInstruction);
  for (const char* part : {"textured", "line 13", "tex.3d.v4.f32.f32"})
    EXPECT_NE(r.message.find(part), std::string::npos) << r.message;
  r = device.launch(*module, "odd", grid({1}, {32}), uint64_t{0});
  EXPECT_EQ(r.outcome, Outcome::IllegalInstruction);
  EXPECT_NE(r.message.find("modifier .weird"), std::string::npos) << r.message;
}

TEST(Fault, Addresses) {
  Device device;
  const uint64_t good = device.allocate(4096);
  struct {
    const char* body;
    uint64_t pointer;
    Outcome outcome;
    uint64_t address;
  } cases[] = {
      {"ld.global.u32 %r1,[%rd0];", 0, Outcome::IllegalAddress, 0},
      {"ld.u32 %r1,[%rd0+16];", 0x1000, Outcome::IllegalAddress, 0x1010},
      {"mov.u32 %r2,%tid.x; mul.wide.u32 %rd1,%r2,8; add.u64 %rd1,%rd0,%rd1; st.global.u32 "
       "[%rd1],%r2;",
       0x2000, Outcome::IllegalAddress, 0x2000},
      {"ld.global.u32 %r1,[%rd0];", 0xdead'0000'0000'0000, Outcome::IllegalAddress,
       0xdead'0000'0000'0000},
      {"ld.global.u32 %r1,[%rd0+2];", good, Outcome::Misaligned, good + 2},
      {"ld.global.v2.u32 {%r1,%r2},[%rd0+4];", good, Outcome::Misaligned, good + 4},
      {"atom.global.add.u32 %r1,[%rd0],1;", 0x4000, Outcome::IllegalAddress, 0x4000},
      {".shared .b32 s[4]; ld.shared.u32 %r1,[s+16];", good, Outcome::IllegalAddress,
       0x5300'0000'0000'0010},
      {".shared .b32 s[4]; ld.shared.u32 %r1,[s+2];", good, Outcome::Misaligned,
       0x5300'0000'0000'0002},
      {".local .b32 l[4]; mov.u64 %rd1,l; st.local.u32 [%rd1+16],%r1;", good,
       Outcome::IllegalAddress, 0x4c00'0000'0000'0010},
      {"trap;", good, Outcome::Trap, 0},
      {"ld.global.u32 %r1,[%rd0];", good, Outcome::Ok, 0},
  };
  for (const auto& c : cases) {
    auto module = device.load(kernel(c.body));
    ASSERT_TRUE(module) << c.body;
    Result r = device.launch(*module, "k", grid({2}, {64}), c.pointer);
    EXPECT_EQ(r.outcome, c.outcome) << c.body << r.message;
    EXPECT_EQ(r.address, c.address) << c.body << r.message;
    if (c.outcome != Outcome::Ok) {
      EXPECT_NE(r.message.find("k: "), std::string::npos) << r.message;
      EXPECT_NE(r.message.find("line "), std::string::npos) << r.message;
    }
  }
}

TEST(Fault, UnmappedPageInsideTheWindow) {
  Device device;
  const uint64_t at = device.allocate(8192, 4096);
  mprotect(static_cast<char*>(device.window().host(at)) + 4096, 4096, PROT_READ);
  auto module =
      device.load(kernel("mov.u32 %r2,%tid.x; mul.wide.u32 %rd1,%r2,256; add.u64 %rd1,%rd0,%rd1; "
                         "st.global.u32 [%rd1],%r2;"));
  Result r = device.launch(*module, "k", grid({1}, {32}), at);
  EXPECT_EQ(r.outcome, Outcome::IllegalAddress);
  EXPECT_EQ(r.address, at + 4096) << "a device address, of the first lane that hit it";
  EXPECT_EQ(device.get<unsigned>(at + 15 * 256, 1)[0], 15u) << "what was written stays";
}

TEST(Fault, GuardNestsAndLeavesOtherSignalsAlone) {
  uint64_t address = 0;
  int inner_failed = 0;
  EXPECT_TRUE(run_guarded(
      [](void* p) {
        uint64_t inside = 0;
        auto* flag = static_cast<int*>(p);
        *flag =
            !run_guarded([](void*) { leave_guarded(1234); }, nullptr, &inside) && inside == 1234;
      },
      &inner_failed, &address));
  EXPECT_TRUE(inner_failed);

  static sigjmp_buf own;
  struct sigaction mine = {}, before;
  mine.sa_handler = [](int) { siglongjmp(own, 1); };
  // Ours is installed first (above), the application's later: a fault outside goes to the
  // application.
  sigaction(SIGSEGV, &mine, &before);
  bool caught = false;
  if (sigsetjmp(own, 1) == 0) {
    raise(SIGSEGV);
  } else {
    caught = true;
  }
  EXPECT_TRUE(caught);
  sigaction(SIGSEGV, &before, nullptr);
}

TEST(Initialisers, AddressesMasksAndNesting) {
  Device device;
  auto module =
      device.load(std::string(kHead) +
                  ".global .align 4 .u32 x[3] = {1, 0x10, 2+0};\n"
                  ".global .align 8 .u64 p[2] = {x, generic(x)+8};\n"
                  ".global .align 1 .b8 bytes[8] = {0xFF(x), 0xFF00(x), 0xFF0000(x), 7};\n"
                  ".const .align 8 .f64 c[2] = {0d3FF8000000000000, -2.5};\n"
                  ".global .align 4 .f32 f[2] = {0f3F800000, 0.25};\n"
                  ".extern .shared .align 16 .b8 dynamic[];\n");
  ASSERT_TRUE(module);
  const uint64_t x = module->variable("x")->address;
  EXPECT_EQ(device.get<uint64_t>(module->variable("p")->address, 2),
            (std::vector<uint64_t>{x, x + 8}));
  auto b = device.get<uint8_t>(module->variable("bytes")->address, 8);
  EXPECT_EQ(b,
            (std::vector<uint8_t>{uint8_t(x), uint8_t(x >> 8), uint8_t(x >> 16), 7, 0, 0, 0, 0}));
  EXPECT_EQ(device.get<double>(module->variable("c")->address, 2),
            (std::vector<double>{1.5, -2.5}));
  EXPECT_EQ(device.get<float>(module->variable("f")->address, 2), (std::vector<float>{1, 0.25f}));
}

TEST(Initialisers, NoMemory) {
  const std::string text = std::string(kHead) + ".global .b32 x;\n";
  LoadError error;
  std::string message;
  auto module = Module::load(
      text.c_str(), 90, Window{}, [](size_t, size_t) { return uint64_t{0}; }, &error, &message);
  EXPECT_FALSE(module);
  EXPECT_EQ(error, LoadError::OutOfMemory);
}

TEST(Parameters, NaturalAlignmentNotThePointees) {
  Device device;
  auto module = device.load(
      std::string(kHead) +
      ".visible .entry k(.param .u8 a, .param .u64 .ptr .global .align 128 b, .param .u16 c,\n"
      " .param .align 16 .b8 d[20], .param .f32 e) .maxntid 64, 2, 1 { ret; }\n");
  ASSERT_TRUE(module);
  const KernelInfo& k = info(*module->kernel("k"));
  std::vector<std::pair<size_t, size_t>> got;
  for (const Param& p : k.params) got.emplace_back(p.offset, p.size);
  EXPECT_EQ(got,
            (std::vector<std::pair<size_t, size_t>>{{0, 1}, {8, 8}, {16, 2}, {32, 20}, {52, 4}}));
  EXPECT_EQ(k.param_bytes, 56u);
  EXPECT_EQ(k.max_threads, 128u);
}

}  // namespace
}  // namespace sim::ptx::test
