// SPDX-License-Identifier: Apache-2.0
// A folder that is gone after the test, and what a file in it says.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace support {

struct Folder {
  Folder() { EXPECT_NE(mkdtemp(path.data()), nullptr); }
  Folder(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = testing::TempDir() + "spillway-test-XXXXXX";
};

inline std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

}  // namespace support
