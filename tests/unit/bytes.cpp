// SPDX-License-Identifier: Apache-2.0
#include "runtime/bytes.h"

#include <gtest/gtest.h>

#include <random>

namespace spillway {
namespace {

constexpr uint64_t kKi = 1024, kMi = kKi * kKi, kGi = kMi * kKi, kTi = kGi * kKi;

TEST(Bytes, AreReadAsPeopleWriteThem) {
  const struct {
    std::string_view text;
    uint64_t bytes;
  } kCases[] = {
      {"0", 0},
      {"1", 1},
      {"4096", 4096},
      {"4096B", 4096},
      {"64 b", 64},
      {"2KiB", 2 * kKi},
      {"2K", 2 * kKi},
      {"2k", 2 * kKi},
      {"2KB", 2000},
      {"2kb", 2000},
      {"512MiB", 512 * kMi},
      {"512 MiB", 512 * kMi},
      {"12gib", 12 * kGi},
      {"1TiB", kTi},
      {"1TB", 1000000000000},
      {"1.5GiB", 3 * kGi / 2},
      {".5K", 512},
      {"1.K", 1024},
      {"0.001KB", 1},
      {"0.1TiB", kTi / 10},
      {"18446744073709551615", UINT64_MAX},
      {"15.5EiB", 31ull << 59},
      {"0.00000000000000000000000000001EiB", 0},
  };
  for (const auto& [text, bytes] : kCases) {
    ASSERT_TRUE(parse_bytes(text).has_value()) << text;
    EXPECT_EQ(*parse_bytes(text), bytes) << text;
  }
}

TEST(Bytes, RefuseWhatIsNotASize) {
  for (const std::string_view text : {"",
                                      " ",
                                      "B",
                                      "GiB",
                                      ".",
                                      ".GiB",
                                      "-1",
                                      "+1",
                                      "1e9",
                                      "0x10",
                                      "1..5",
                                      "1.5.2",
                                      "1,5GiB",
                                      "12Gi",
                                      "12GiBs",
                                      "12 Gi B",
                                      "12iB",
                                      "12XB",
                                      "12%",
                                      " 12",
                                      "12 ",
                                      "twelve",
                                      "18446744073709551616",
                                      "16EiB",
                                      "17179869184GiB",
                                      "99999999999999999999999999999999999",
                                      "1\n",
                                      "nan",
                                      "inf"}) {
    EXPECT_FALSE(parse_bytes(text).has_value()) << '"' << text << '"';
  }
  EXPECT_FALSE(parse_bytes(std::string_view("1\0", 2)).has_value());
}

TEST(Bytes, ExactTextReadsBackAsTheSameNumber) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t bytes = random() >> (random() % 64) << (random() % 40);
    EXPECT_EQ(parse_bytes(exact_bytes(bytes)), bytes) << exact_bytes(bytes);
  }
  EXPECT_EQ(exact_bytes(0), "0");
  EXPECT_EQ(exact_bytes(1000), "1000");
  EXPECT_EQ(exact_bytes(2 * kMi), "2MiB");
  EXPECT_EQ(exact_bytes(1536 * kKi), "1536KiB");
  EXPECT_EQ(exact_bytes(UINT64_MAX), "18446744073709551615");
}

TEST(Bytes, AreShownInTheLargestUnitThatFits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(12 * kGi), "12.0 GiB");
  EXPECT_EQ(format_bytes(kTi + kTi / 4), "1.2 TiB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "16.0 EiB");
}

}  // namespace
}  // namespace spillway
