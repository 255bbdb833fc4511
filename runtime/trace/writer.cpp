// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/log.h"
#include "runtime/thread.h"
#include "runtime/trace/format.h"
#include "runtime/trace/recorder.h"
#include "runtime/trace/registry.h"
#include "runtime/trace/schema.h"

namespace spillway::trace {
namespace {

constexpr std::chrono::milliseconds kRest{100};
constexpr int kCompression = 3;  // of zstd: 500 MB/s a core, far above any rate of events

class Writer {
 public:
  explicit Writer(const Target& target) : target_(target), packer_(ZSTD_createCCtx()) {
    if (packer_) {
      ZSTD_CCtx_setParameter(packer_, ZSTD_c_compressionLevel, kCompression);
      ZSTD_CCtx_setParameter(packer_, ZSTD_c_checksumFlag, 1);
    }
  }
  ~Writer() {
    if (file_ >= 0) close(file_);
    ZSTD_freeCCtx(packer_);
  }

  bool open() {
    const int file =
        ::open(target_.path.c_str(),
               O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (file < 0) return fail("cannot be created");
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
      close(file);
      errno = EPERM;
      return fail("is not a file of ours");
    }
    // Another process of this job is writing there: each has its own.
    if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && !beside_) {
      close(file);
      beside_ = true;
      target_.path += fmt::format(".{}", getpid());
      log(LogLevel::Info,
          "another process writes this trace; a %p in SPILLWAY_TRACE keeps them apart; "
          "this one's is {}",
          target_.path);
      return open();
    }
    if (fchmod(file, 0600) != 0 || ftruncate(file, 0) != 0) {
      close(file);
      return fail("cannot be emptied");
    }
    // Far from the numbers that programs close and use again without a look.
    const int far = fcntl(file, F_DUPFD_CLOEXEC, 500);
    file_ = far >= 0 ? far : file;
    if (far >= 0) close(file);
    device_ = status.st_dev;
    inode_ = status.st_ino;
    written_ = 0;
    names_told_ = slots_told_ = 0;
    const std::string schema = schema_json();
    const std::string head =
        fmt::format("{{{}, \"clock\": {},\n \"events\": {}}}\n", target_.about, now(), schema);
    FileHead start{};
    start.head_bytes = static_cast<uint32_t>(head.size());
    return put(&start, sizeof start) && put(head.data(), head.size());
  }

  // Everything that is in the rings. False: nothing can be written any more.
  bool drain() {
    Registry& all = registry();
    struct Piece {
      Ring* ring;
      std::span<const uint8_t> bytes;
    };
    std::vector<Piece> pieces;
    for (Ring* ring = all.rings.load(std::memory_order_acquire); ring; ring = ring->next)
      if (const auto bytes = ring->written(); !bytes.empty()) pieces.push_back({ring, bytes});
    if (pieces.empty()) return true;
    if (written_ > target_.limit / (target_.keep == TraceKeep::Last ? 2 : 1) && !turn_over())
      return false;
    if (!tell_names()) return false;
    for (const Piece& piece : pieces) {
      if (!block(piece.ring->slot, piece.bytes)) return false;
      piece.ring->taken(piece.bytes.size());
    }
    return true;
  }

 private:
  bool fail(const char* what) {
    log(LogLevel::Warn, "no trace from here on: {} {}: {}", target_.path, what, strerror(errno));
    return false;
  }

  bool turn_over() {
    if (target_.keep == TraceKeep::First) {
      log(LogLevel::Info, "the trace is full: {} has {} bytes (SPILLWAY_TRACE_LIMIT)", target_.path,
          written_);
      return false;
    }
    close(file_);
    file_ = -1;
    if (rename(target_.path.c_str(), (target_.path + ".old").c_str()) != 0)
      return fail("cannot be renamed");
    return open();
  }

  // The names and threads that the file does not know yet: before the events that use them, since
  // those were recorded after the name was given.
  bool tell_names() {
    uint64_t told = slots_told_;
    for (const Ring* ring = registry().rings.load(std::memory_order_acquire); ring;
         ring = ring->next) {
      if (ring->slot <= slots_told_) continue;
      std::array<uint8_t, 4 * kLongestNumber> bytes;
      uint8_t* const end = encode(bytes.data(), now(), Thread{ring->tid.load()});
      if (!block(ring->slot, {bytes.data(), end})) return false;
      told = std::max(told, ring->slot);
    }
    slots_told_ = told;
    std::vector<uint8_t> bytes;
    {
      Registry& all = registry();
      std::lock_guard held(all.mutex);
      while (names_told_ < all.names.size()) {
        const auto& [what, text] = all.names[names_told_++];
        const size_t before = bytes.size();
        bytes.resize(before + kLongestEvent);
        uint8_t* const end = encode(bytes.data() + before, now(), Named{names_told_, what, text});
        bytes.resize(static_cast<size_t>(end - bytes.data()));
      }
    }
    return bytes.empty() || block(0, bytes);
  }

  bool block(uint64_t slot, std::span<const uint8_t> events) {
    raw_.resize(kLongestNumber + events.size());
    uint8_t* const end = trace::put(raw_.data(), slot);
    memcpy(end, events.data(), events.size());
    const size_t raw = static_cast<size_t>(end - raw_.data()) + events.size();
    packed_.resize(ZSTD_compressBound(raw));
    const size_t packed = ZSTD_compress2(packer_, packed_.data(), packed_.size(), raw_.data(), raw);
    if (ZSTD_isError(packed)) {
      errno = ENOMEM;
      return fail("cannot be compressed");
    }
    BlockHead head{};
    head.packed_bytes = static_cast<uint32_t>(packed);
    head.raw_bytes = static_cast<uint32_t>(raw);
    // In one piece, so that a kill between two writes does not leave a head without a block.
    packed_.resize(packed);
    packed_.insert(packed_.begin(), reinterpret_cast<const uint8_t*>(&head),
                   reinterpret_cast<const uint8_t*>(&head + 1));
    return put(packed_.data(), packed_.size());
  }

  bool put(const void* bytes, size_t count) {
    struct stat status;
    if (fstat(file_, &status) != 0 || status.st_dev != device_ || status.st_ino != inode_) {
      file_ = -1;  // the program closed it, and the number is somebody else's now
      errno = EBADF;
      return fail("was closed by the program");
    }
    for (const char* from = static_cast<const char*>(bytes); count;) {
      const ssize_t done = write(file_, from, count);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return fail("cannot be written");
      from += done;
      count -= static_cast<size_t>(done);
      written_ += static_cast<uint64_t>(done);
    }
    return true;
  }

  Target target_;
  bool beside_ = false;  // the path was somebody else's
  ZSTD_CCtx* const packer_;
  int file_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  uint64_t written_ = 0;
  size_t names_told_ = 0;
  uint64_t slots_told_ = 0;
  std::vector<uint8_t> raw_, packed_;
};

// The one there is, and who may use it: the thread, or whoever stops it.
struct Desk {
  std::mutex mutex;
  std::condition_variable woken;
  std::atomic<bool> early{false};
  Writer* writer = nullptr;
};
std::atomic<Desk*> desk{nullptr};

// Ends the recording when it cannot go on. With its mutex.
void drain(Desk& here) {
  if (!here.writer || here.writer->drain()) return;
  recording.store(false);
  delete here.writer;
  here.writer = nullptr;
}

void run(Desk& here) {
  std::unique_lock held(here.mutex);
  while (here.writer) {
    here.woken.wait_for(held, kRest, [&] { return here.early.exchange(false); });
    drain(here);
  }
}

}  // namespace

bool start(const Target& target) noexcept {
  try {
    auto writer = std::make_unique<Writer>(target);
    if (!writer->open()) return false;
    auto* const here = new Desk;  // the thread may outlast everything
    here->writer = writer.release();
    if (!start_thread("spillway-trace", [here] {
          try {
            run(*here);
          } catch (...) {
            recording.store(false);  // no memory to write with
          }
        })) {
      log(LogLevel::Warn, "no trace: the system refuses a thread to write {}", target.path);
      return false;
    }
    desk.store(here);
    recording.store(true);
    return true;
  } catch (...) {
    log_line(LogLevel::Warn, "no trace: no host memory to start with");
    return false;
  }
}

void stop() noexcept {
  recording.store(false);
  Desk* const here = desk.exchange(nullptr);
  if (!here) return;
  try {
    std::lock_guard held(here->mutex);
    drain(*here);
    delete here->writer;
    here->writer = nullptr;
  } catch (...) {  // what is in the file already is readable
  }
}

void forget_in_child() noexcept {
  recording.store(false);
  desk.store(nullptr);
  forget_registry();
}

void wake_writer() noexcept {
  Desk* const here = desk.load();
  if (here && !here->early.exchange(true)) here->woken.notify_one();
}

}  // namespace spillway::trace
