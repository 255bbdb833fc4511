// SPDX-License-Identifier: Apache-2.0
// Events across processes, and their IPC entry points.
#include "tests/sim/driver/ipc_event.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/store.h"
#include "tests/sim/driver/streams.h"

namespace sim {

// Slot n % kSlots holds the highest number n whose work is done: records of several streams end in
// any order.
struct SharedEvent::Page {
  static constexpr uint64_t kMagic = 0x53494d4556454e31;  // "SIMEVEN1"
  static constexpr size_t kSlots = 500;
  uint64_t magic = kMagic;
  std::atomic<uint64_t> recorded{0};
  std::atomic<uint64_t> done[kSlots] = {};
};

namespace {

void* map(int file) {
  void* got = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return got == MAP_FAILED ? nullptr : got;
}

}  // namespace

std::shared_ptr<SharedEvent> SharedEvent::make() {
  static_assert(sizeof(Page) <= kPage);
  const int file = memfd_create("simcuda-event", MFD_CLOEXEC);
  if (file < 0) return nullptr;
  void* at = ftruncate(file, kPage) == 0 ? map(file) : nullptr;
  if (!at) {
    close(file);
    return nullptr;
  }
  return std::shared_ptr<SharedEvent>(new SharedEvent(file, new (at) Page, true));
}

std::shared_ptr<SharedEvent> SharedEvent::open(const FileName& name) {
  const int file = open_file(name);
  if (file < 0) return nullptr;
  struct stat status {};
  const bool whole = fstat(file, &status) == 0 && status.st_size == static_cast<off_t>(kPage);
  auto* page = whole ? static_cast<Page*>(map(file)) : nullptr;
  if (!page || page->magic != Page::kMagic) {
    if (page) munmap(page, kPage);
    close(file);
    return nullptr;
  }
  return std::shared_ptr<SharedEvent>(new SharedEvent(file, page, false));
}

SharedEvent::~SharedEvent() {
  munmap(page_, kPage);
  close(file_);
}

uint64_t SharedEvent::begin_record() {
  return page_->recorded.fetch_add(1) + 1;
}

void SharedEvent::end_record(uint64_t number) {
  auto& slot = page_->done[number % Page::kSlots];
  for (uint64_t seen = slot; seen < number && !slot.compare_exchange_weak(seen, number);) {
  }
}

uint64_t SharedEvent::last() const {
  return page_->recorded;
}

bool SharedEvent::done(uint64_t number) const {
  return number == 0 || page_->done[number % Page::kSlots] >= number;
}

namespace {

struct EventTicket {
  static constexpr uint64_t kMagic = 0x53494d4950434531;  // "SIMIPCE1"
  uint64_t magic = kMagic;
  FileName file;
};
static_assert(sizeof(EventTicket) <= sizeof(CUipcEventHandle));

}  // namespace
}  // namespace sim

SIM_API cuIpcGetEventHandle(CUipcEventHandle* out, CUevent handle) {
  SIM_ENTER_CONTEXT(cuIpcGetEventHandle, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = sim::Scheduler::get().lock();
  const auto event = sim::events().find(handle);
  if (!event || !event->shared || !event->shared->exported()) return CUDA_ERROR_INVALID_HANDLE;
  const sim::EventTicket ticket{.file = event->shared->name()};
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &ticket, sizeof ticket);
  return CUDA_SUCCESS;
}

SIM_API cuIpcOpenEventHandle(CUevent* out, CUipcEventHandle handle) {
  SIM_ENTER_CONTEXT(cuIpcOpenEventHandle, context);
  sim::EventTicket ticket;
  std::memcpy(static_cast<void*>(&ticket), &handle, sizeof ticket);
  if (!out || ticket.magic != sim::EventTicket::kMagic) return CUDA_ERROR_INVALID_VALUE;
  if (sim::is_own(ticket.file)) return CUDA_ERROR_INVALID_CONTEXT;
  auto event = std::make_shared<sim::Event>();
  event->context = context;
  event->flags = CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
  event->shared = sim::SharedEvent::open(ticket.file);
  if (!event->shared) return CUDA_ERROR_MAP_FAILED;
  const auto lock = sim::Scheduler::get().lock();
  *out = sim::events().insert(std::move(event));
  return CUDA_SUCCESS;
}
