// SPDX-License-Identifier: Apache-2.0
// Physical memory. What may be exported has a file of its own, with a description of itself behind
// the bytes, so that the descriptor alone is enough to import it.
#include "tests/sim/driver/physical.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <mutex>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/pinned.h"

namespace sim {
namespace {

struct Description {
  static constexpr uint64_t kMagic = 0x53494d434d454d31;  // "SIMCMEM1"
  uint64_t magic = kMagic;
  uint64_t bytes = 0;
  CUmemAllocationProp properties{};
};
static_assert(sizeof(Description) <= kPage);

// Exportable memory of this process by inode: importing it again must not make a second owner.
struct Known {
  std::mutex mutex;
  std::map<ino_t, std::weak_ptr<Physical>> by_inode;
};

Known& known() {
  static auto* all = new Known;
  return *all;
}

ino_t inode(int file) {
  struct stat status {};
  return fstat(file, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

Physical::~Physical() {
  if (backing.own_file) {
    std::lock_guard lock(known().mutex);
    std::erase_if(known().by_inode, [](const auto& entry) { return entry.second.expired(); });
  }
  if (foreign) {
    close(backing.file);
  } else if (backing.bytes != 0) {
    store(backing.store).release(backing);
    if (on_host()) unpin(backing.bytes);
  }
}

std::shared_ptr<Physical> make_physical(size_t size, const CUmemAllocationProp& properties) {
  auto made = std::make_shared<Physical>();
  made->properties = properties;
  if (made->on_host() && !pin(size)) return nullptr;
  Store& from = store(made->on_host() ? kHost : properties.location.id);
  if (properties.requestedHandleTypes == CU_MEM_HANDLE_TYPE_NONE) {
    if (from.allocate(size, size, &made->backing)) return made;
    if (made->on_host()) unpin(size);
    return nullptr;
  }
  if (!from.allocate_file(size, size, kPage, &made->backing)) {
    if (made->on_host()) unpin(size);
    return nullptr;
  }
  const Description description{.bytes = size, .properties = properties};
  const int file = made->backing.file;
  if (pwrite(file, &description, sizeof description, static_cast<off_t>(size)) !=
      static_cast<ssize_t>(sizeof description)) {
    return nullptr;
  }
  std::lock_guard lock(known().mutex);
  known().by_inode[inode(file)] = made;
  return made;
}

int export_physical(const Physical& physical) {
  return fcntl(physical.backing.file, F_DUPFD_CLOEXEC, 0);
}

std::shared_ptr<Physical> import_physical(int file) {
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  const off_t bytes = status.st_size - static_cast<off_t>(kPage);
  Description description;
  if (bytes <= 0 || pread(file, &description, sizeof description, bytes) !=
                        static_cast<ssize_t>(sizeof description)) {
    return nullptr;
  }
  if (description.magic != Description::kMagic ||
      description.bytes != static_cast<uint64_t>(bytes)) {
    return nullptr;
  }
  const CUmemLocation& location = description.properties.location;
  if (location.type == CU_MEM_LOCATION_TYPE_DEVICE && !valid_device(location.id)) return nullptr;

  std::lock_guard lock(known().mutex);
  auto& entry = known().by_inode[status.st_ino];
  if (auto mine = entry.lock()) return mine;
  const int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return nullptr;
  auto made = std::make_shared<Physical>();
  made->properties = description.properties;
  made->foreign = true;
  made->backing = {.store = made->on_host() ? kHost : location.id,
                   .file = copy,
                   .own_file = true,
                   .bytes = description.bytes};
  entry = made;
  return made;
}

}  // namespace sim
