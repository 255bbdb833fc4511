// SPDX-License-Identifier: Apache-2.0
#include "tools/live_jobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include "runtime/trace/live_page.h"

namespace spillway::tools {
namespace {

using trace::LivePage;

// Text of at most so many bytes, of which a terminal shows each as it is.
template <size_t size>
std::string plain(const char (&text)[size]) {
  std::string out(text, strnlen(text, size));
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

std::optional<LiveJob> read_page(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return std::nullopt;
  struct stat about {};
  alignas(LivePage) char bytes[sizeof(LivePage)];
  const auto& page = *reinterpret_cast<const LivePage*>(bytes);
  const bool ours = fstat(file, &about) == 0 && S_ISREG(about.st_mode) &&
                    about.st_uid == getuid() && (about.st_mode & 077) == 0 &&
                    about.st_size == sizeof bytes;
  bool whole = false;
  // A few tries to read it between two changes; a figure may be from another moment otherwise.
  for (int tries = 0; ours && tries < 10 && !whole; ++tries) {
    if (pread(file, bytes, sizeof bytes, 0) != sizeof bytes) break;
    const uint64_t before = page.sequence.load();
    uint64_t after = 0;
    constexpr off_t kSequence = offsetof(LivePage, sequence);
    if (pread(file, &after, sizeof after, kSequence) != sizeof after) break;
    whole = before == after && before % 2 == 0;
  }
  close(file);
  if (!ours || std::memcmp(page.magic, LivePage::kMagic, sizeof page.magic) != 0 ||
      page.version != LivePage::kVersion || page.figures > LivePage::kMostFigures)
    return std::nullopt;
  LiveJob job{
      page.pid,         page.began, page.updated.load(), plain(page.program), plain(page.policy),
      plain(page.rank), {}};
  for (uint32_t i = 0; i < page.figures; ++i)
    job.figures[plain(page.figure[i].name)] = page.figure[i].value.load();
  return job;
}

}  // namespace

std::vector<LiveJob> live_jobs() {
  std::vector<LiveJob> jobs;
  const std::string mine = fmt::format("spillway.{}.", getuid());
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(trace::kLiveFolder, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(mine)) continue;
    pid_t pid = 0;
    const char* const end = name.data() + name.size();
    const auto [last, bad] = std::from_chars(name.data() + mine.size(), end, pid);
    if (bad != std::errc{} || last != end || pid <= 0) continue;
    if (kill(pid, 0) != 0 && errno == ESRCH) {
      std::filesystem::remove(entry.path(), error);
      continue;
    }
    if (auto job = read_page(entry.path())) jobs.push_back(std::move(*job));
  }
  std::ranges::sort(jobs, {}, &LiveJob::pid);
  return jobs;
}

}  // namespace spillway::tools
