// SPDX-License-Identifier: Apache-2.0
#include "runtime/live.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "runtime/log.h"
#include "runtime/program.h"
#include "runtime/summary.h"
#include "runtime/trace/live_page.h"
#include "runtime/trace/recorder.h"

namespace spillway {

namespace {

using trace::LivePage;

constexpr uint64_t kRefresh = 50'000'000;  // ns

std::atomic<LivePage*> page{nullptr};
std::atomic<uint64_t> next_refresh{0};
char path[64];

uint64_t coarse_now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

template <size_t size>
void put(char (&to)[size], std::string_view text) {
  const size_t length = std::min(text.size(), size - 1);
  std::copy_n(text.data(), length, to);
}

}  // namespace

void begin_live_page(Engine& engine) noexcept {
  if (!engine.config.live) return;
  try {
    const std::string name =
        fmt::format("{}/spillway.{}.{}", trace::kLiveFolder, getuid(), getpid());
    if (name.size() >= sizeof path) return;
    // What is there is left from a process that had the same number; a link is not followed.
    unlink(name.c_str());
    const int file = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return log(LogLevel::Info, "no live page: {}: {}", name, strerror(errno));
    void* const memory =
        posix_fallocate(file, 0, sizeof(LivePage)) == 0
            ? mmap(nullptr, sizeof(LivePage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
            : MAP_FAILED;
    close(file);
    if (memory == MAP_FAILED) {
      unlink(name.c_str());
      return log(LogLevel::Info, "no live page: there is no room in {}", trace::kLiveFolder);
    }
    std::copy_n(name.c_str(), name.size() + 1, path);
    auto* const fresh = new (memory) LivePage{};
    fresh->version = LivePage::kVersion;
    fresh->pid = static_cast<uint64_t>(getpid());
    fresh->began = trace::now();
    put(fresh->program, file_name(program_path()));
    put(fresh->policy, engine.config.policy.entry->name);
    put(fresh->rank, Path{"%r"}.expanded());
    for (const SummaryField& field : summary_fields())
      if (fresh->figures < LivePage::kMostFigures)
        put(fresh->figure[fresh->figures++].name, field.name);
    std::copy_n(LivePage::kMagic, sizeof LivePage::kMagic, fresh->magic);  // now it is one
    page.store(fresh);
    refresh_live_page(engine);
  } catch (...) {  // no memory: nobody looks
  }
}

void refresh_live_page(Engine& engine) noexcept {
  LivePage* const now = page.load(std::memory_order_acquire);
  if (!now) return;
  const uint64_t time = coarse_now();
  uint64_t due = next_refresh.load(std::memory_order_relaxed);
  if (time < due || !next_refresh.compare_exchange_strong(due, time + kRefresh)) return;
  now->sequence.fetch_add(1);
  size_t place = 0;
  for (const SummaryField& field : summary_fields())
    if (place < now->figures) now->figure[place++].value.store(field.value(engine));
  now->updated.store(time);
  now->sequence.fetch_add(1);
}

void end_live_page() noexcept {
  if (page.exchange(nullptr)) unlink(path);  // the memory stays: a thread may be writing to it
}

void forget_live_page() noexcept {
  page.store(nullptr);
}

}  // namespace spillway
