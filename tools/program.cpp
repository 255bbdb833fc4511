// SPDX-License-Identifier: Apache-2.0
#include "tools/program.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "tools/command.h"

namespace spillway::tools {
namespace {

constexpr int kMostInterpreters = 5;  // as the kernel: a script may name a script, not for ever

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);

struct Elf {
  Header header{};
  std::string loader;  // PT_INTERP; empty: none
};

bool is_elf(std::string_view start) {
  return start.size() >= SELFMAG && start.substr(0, SELFMAG) == ELFMAG;
}

// Ours, as the kernel shows it: what this very program is built for is what we can be loaded into.
Header own_header() {
  Header header{};
  std::ifstream("/proc/self/exe", std::ios::binary)
      .read(reinterpret_cast<char*>(&header), sizeof header);
  return header;
}

bool same_machine(const Header& header) {
  const Header own = own_header();
  return header.e_machine == own.e_machine && header.e_ident[EI_CLASS] == own.e_ident[EI_CLASS] &&
         header.e_ident[EI_DATA] == own.e_ident[EI_DATA];
}

// Nothing when the file is cut short or its tables point outside of it.
std::optional<Elf> read_elf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Elf elf;
  if (!file.read(reinterpret_cast<char*>(&elf.header), sizeof elf.header)) return std::nullopt;
  if (!same_machine(elf.header)) return elf;  // its tables have another shape
  for (unsigned i = 0; i < elf.header.e_phnum; ++i) {
    Segment segment{};
    file.seekg(static_cast<std::streamoff>(elf.header.e_phoff + i * sizeof segment));
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof segment)) return std::nullopt;
    if (segment.p_type != PT_INTERP) continue;
    if (segment.p_filesz == 0 || segment.p_filesz > 4096) return std::nullopt;
    elf.loader.resize(segment.p_filesz - 1);  // it ends in a zero
    file.seekg(static_cast<std::streamoff>(segment.p_offset));
    if (!file.read(elf.loader.data(), static_cast<std::streamsize>(elf.loader.size()))) {
      return std::nullopt;
    }
  }
  return elf;
}

// The kernel then tells the loader not to trust the environment (AT_SECURE).
bool gains_privileges(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  if ((info.st_mode & S_ISUID) != 0 && info.st_uid != getuid()) return true;
  if ((info.st_mode & S_ISGID) != 0 && (info.st_mode & S_IXGRP) != 0 && info.st_gid != getgid()) {
    return true;
  }
  return geteuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line(256, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(file.gcount()));
  return line.substr(0, line.find('\n'));
}

// The program that a "#!" line starts; `#!/usr/bin/env python3` starts python3.
std::string interpreter(const std::string& line) {
  std::istringstream words(line.substr(2));
  std::string program, argument;
  words >> program >> argument;
  if (!program.ends_with("/env") || argument.empty() || argument.starts_with('-')) return program;
  return locate(argument).path;
}

}  // namespace

Located locate(std::string_view name) {
  std::vector<std::string> candidates;
  if (name.find('/') != std::string_view::npos) {
    candidates.emplace_back(name);
  } else if (!name.empty()) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
      candidates.push_back((folder.empty() ? "." : folder) + "/" + std::string(name));
    }
  }
  std::string failure = fmt::format("{}: not found", name);
  int status = kNotFound;
  for (const std::string& candidate : candidates) {
    struct stat info {};
    if (stat(candidate.c_str(), &info) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      failure = fmt::format("{}: {}", candidate, std::strerror(errno));
    } else if (S_ISDIR(info.st_mode)) {
      failure = fmt::format("{}: is a directory", candidate);
    } else if (access(candidate.c_str(), X_OK) != 0) {
      failure = fmt::format("{}: {}", candidate, std::strerror(errno));
    } else {
      return {.path = candidate, .failure = "", .status = 0};
    }
    status = kCannotRun;
  }
  return {.path = "", .failure = failure, .status = status};
}

std::string why_not_preloaded(const std::string& path) {
  std::string program = path;
  for (int level = 0; level < kMostInterpreters; ++level) {
    const std::string line = first_line(program);
    if (line.starts_with("#!")) {
      program = interpreter(line);
      continue;
    }
    if (!is_elf(line)) return "";  // a text that the shell runs, or an error of the kernel's
    if (gains_privileges(program)) {
      return fmt::format("{} runs with another user's rights, so the loader ignores LD_PRELOAD",
                         program);
    }
    const std::optional<Elf> elf = read_elf(program);
    if (!elf) return fmt::format("{} is a damaged executable", program);
    if (!same_machine(elf->header)) {
      return fmt::format("{} is built for another kind of machine than libspillway.so", program);
    }
    if (elf->loader.empty()) {
      return fmt::format(
          "{} is statically linked, so no library can be preloaded into it: link it "
          "dynamically",
          program);
    }
    if (elf->loader.find("ld-musl") != std::string::npos) {
      return fmt::format("{} uses musl, and libspillway.so needs glibc", program);
    }
    return "";
  }
  return "";
}

bool loadable_here(const std::string& path) {
  if (!is_elf(first_line(path))) return false;
  const std::optional<Elf> elf = read_elf(path);
  return elf && same_machine(elf->header) && elf->header.e_type == ET_DYN;
}

}  // namespace spillway::tools
