// SPDX-License-Identifier: Apache-2.0
#include "runtime/callers.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <unwind.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "runtime/program.h"
#include "runtime/trace/recorder.h"

namespace spillway {

namespace {

constexpr std::string_view kThrough[] = {"libspillway", "libcuda.so", "libcudart", "libucm"};
constexpr int kShownFrames = 8;

uint64_t changes_of(const dl_phdr_info& info) {
  return info.dlpi_adds + info.dlpi_subs;
}

// "function+0x12 (library+0x3456)": what addr2line(1) needs is in it.
std::string place(void* address) {
  Dl_info info{};
  if (!dladdr(address, &info) || !info.dli_fname) return fmt::format("{}", address);
  const auto from = [&](const void* base) {
    return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base);
  };
  const std::string where =
      fmt::format("{}+{:#x}", file_name(info.dli_fname), from(info.dli_fbase));
  if (!info.dli_sname) return where;
  return fmt::format("{}+{:#x} ({})", info.dli_sname, from(info.dli_saddr), where);
}

}  // namespace

void Callers::look_at_modules() {
  uint64_t changes = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        *static_cast<uint64_t*>(out) = changes_of(*info);
        return 1;  // the first one tells
      },
      &changes);
  std::lock_guard held(mutex_);
  if (changes == changes_ && !modules_.empty()) return;
  changes_ = changes;
  modules_.clear();
  any_excluded_ = false;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* self) {
        auto& callers = *static_cast<Callers*>(self);
        const std::string_view name = file_name(info->dlpi_name ? info->dlpi_name : "");
        const auto begins = [&](std::string_view with) { return name.starts_with(with); };
        Module module{~uintptr_t{0}, 0, std::ranges::any_of(kThrough, begins),
                      std::ranges::any_of(callers.excluded_.names, begins)};
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD) continue;
          const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          module.begin = std::min(module.begin, begin);
          module.end = std::max(module.end, begin + segment.p_memsz);
        }
        callers.any_excluded_ |= module.excluded;
        if (module.begin < module.end) callers.modules_.push_back(module);
        return 0;
      },
      this);
  std::ranges::sort(modules_, {}, &Module::begin);
}

const Callers::Module* Callers::module_at(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto next = std::ranges::upper_bound(modules_, at, {}, &Module::begin);
  if (next == modules_.begin()) return nullptr;
  const Module& module = *std::prev(next);
  return at < module.end ? &module : nullptr;
}

Callers::Frames Callers::callers() noexcept {
  Frames frames;
  // The compiler's own unwinder: libunwind's static archive is not for shared libraries (Debian
  // 12).
  _Unwind_Backtrace(
      [](_Unwind_Context* frame, void* out) {
        Frames& all = *static_cast<Frames*>(out);
        all.at[all.count] = reinterpret_cast<void*>(_Unwind_GetIP(frame));
        return ++all.count < kMostFrames ? _URC_NO_REASON : _URC_END_OF_STACK;
      },
      &frames);
  std::lock_guard held(mutex_);
  const int count = std::exchange(frames.count, 0);
  for (int i = 0; i < count; i++) {
    const Module* module = module_at(frames.at[i]);
    if (!module || !module->through) frames.at[frames.count++] = frames.at[i];
  }
  return frames;
}

bool Callers::excluded() noexcept {
  if (excluded_.names.empty()) return false;
  try {
    look_at_modules();
    {
      std::lock_guard held(mutex_);
      if (!any_excluded_) return false;
    }
    const Frames frames = callers();
    std::lock_guard held(mutex_);
    const Module* module = frames.count ? module_at(frames.at[0]) : nullptr;
    return module && module->excluded;
  } catch (...) {  // no host memory: it is served
    return false;
  }
}

uint64_t Callers::find_site() noexcept {
  if (!trace::on()) return 0;
  try {
    look_at_modules();
    const Frames frames = callers();
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, of addresses
    for (int i = 0; i < frames.count; i++)
      hash = (hash ^ reinterpret_cast<uintptr_t>(frames.at[i])) * 0x100000001b3;
    {
      std::lock_guard held(mutex_);
      const auto known = numbers_.find(hash);
      if (known != numbers_.end()) return known->second;
    }
    std::string text;
    for (int i = 0; i < std::min(frames.count, kShownFrames); i++)
      text += (i ? " < " : "") + place(frames.at[i]);
    const uint64_t number = trace::name(trace::NameOf::Site, text);
    std::lock_guard held(mutex_);
    return numbers_.try_emplace(hash, number).first->second;
  } catch (...) {
    return 0;
  }
}

}  // namespace spillway
