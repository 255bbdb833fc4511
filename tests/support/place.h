// SPDX-License-Identifier: Apache-2.0
// Where the built things are, and the environments in which test programs run: on the simulated GPU
// or on the machine's own driver, with the library in front or without it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "tests/support/process.h"

namespace support {

// The build directory is found from the running binary, so that a copied build still works.
std::filesystem::path build_directory();
std::string program(const std::string& name);  // build/programs/<name>
std::string library();                         // build/libspillway.so

enum class Gpu { Simulated, Installed };

// A clean environment: search paths and what the sanitizers need, nothing else from ours.
Environment plain(Gpu gpu);
// The same with the library preloaded: after the sanitizer's runtime, which insists to come first.
Environment interposed(Gpu gpu);

// Simulated threads and instrumented code are slow together; deadlines are multiplied by this.
int slowness();

// A file name that nobody else uses, in the temporary directory; removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& suffix);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  std::string text() const;  // "" when it was never written

 private:
  std::string path_;
};

}  // namespace support
