// SPDX-License-Identifier: Apache-2.0
#include "runtime/arguments.h"

#include "runtime/thread_state.h"
#include "runtime/trace/recorder.h"

namespace spillway {

namespace {
constexpr size_t kFirstTable = 1024;
}

Layouts::Layouts(const Driver& driver, bool trust)
    : driver_(driver), trust_(trust), table_(new Table(kFirstTable)) {}

void Layouts::insert(Table& table, CUfunction function, const Layout* layout) {
  for (size_t i = hash(function);; i++) {
    Entry& entry = table.entries[i & table.mask];
    if (entry.function.load(std::memory_order_relaxed)) continue;
    entry.layout = layout;
    entry.function.store(function, std::memory_order_release);
    return;
  }
}

void Layouts::replace(std::unique_ptr<Table> fresh) {
  std::unique_ptr<Table> old(table_.exchange(fresh.release(), std::memory_order_seq_cst));
  drain_gates();  // a launch may still be reading the old one
}

uint64_t Layouts::name_of(CUfunction function) const noexcept {
  const char* text = nullptr;
  if (!driver_.cuFuncGetName || driver_.cuFuncGetName(&text, function) != CUDA_SUCCESS)
    text = nullptr;
  if (!text && driver_.cuKernelGetName &&
      driver_.cuKernelGetName(&text, reinterpret_cast<CUkernel>(function)) != CUDA_SUCCESS)
    text = nullptr;
  return text ? trace::name(trace::NameOf::Kernel, text) : 0;
}

std::shared_ptr<const Layout> Layouts::learn(CUfunction function) noexcept {
  // A handle is a CUfunction or, from cudart, a CUkernel; the driver accepts both for launches.
  const auto ask = [&](size_t index, size_t* offset, size_t* bytes) {
    CUresult result = CUDA_ERROR_NOT_SUPPORTED;
    if (driver_.cuFuncGetParamInfo)
      result = driver_.cuFuncGetParamInfo(function, index, offset, bytes);
    if (result != CUDA_SUCCESS && driver_.cuKernelGetParamInfo) {
      const CUresult kernel =
          driver_.cuKernelGetParamInfo(reinterpret_cast<CUkernel>(function), index, offset, bytes);
      if (kernel == CUDA_SUCCESS || result != CUDA_ERROR_INVALID_VALUE) result = kernel;
    }
    return result;
  };
  if (!function) return nullptr;
  auto layout = std::make_shared<Layout>();
  layout->plain = trust_;
  for (uint32_t index = 0;; index++) {
    size_t offset = 0, bytes = 0;
    const CUresult result = ask(index, &offset, &bytes);
    if (result == CUDA_ERROR_INVALID_VALUE) break;  // past the last parameter
    if (result != CUDA_SUCCESS) return nullptr;
    if (bytes < 8) continue;
    // Of what is packed to bytes this sees what its place or its size gives away.
    const uint32_t step = offset % kPackedStep || bytes % kPackedStep ? 1 : kPackedStep;
    layout->words.push_back({index, static_cast<uint32_t>(bytes), step});
  }
  if (trace::on()) layout->name = name_of(function);
  std::lock_guard held(mutex_);
  const auto [known, fresh] = layouts_.try_emplace(function, std::move(layout));
  if (!fresh) return known->second;  // another thread was faster
  Table* table = table_.load(std::memory_order_relaxed);
  if (2 * layouts_.size() > table->mask) {
    auto larger = std::make_unique<Table>(2 * (table->mask + 1));
    for (const auto& [key, value] : layouts_) insert(*larger, key, value.get());
    replace(std::move(larger));
  } else {
    insert(*table, function, known->second.get());
  }
  return known->second;
}

void Layouts::clear() noexcept {
  std::lock_guard held(mutex_);
  replace(std::make_unique<Table>(kFirstTable));
  layouts_.clear();
}

Arguments read_arguments(const Arena& arena, const Layout* layout, void** params, void** extra) {
  constexpr uint64_t kLeast = kGranule, kMost = uint64_t{1} << 47;  // what a device address may be
  Arguments arguments;
  const auto note = [&](uint64_t word) {
    (arena.contains(word) ? arguments.ranges : arguments.others).push_back(word);
    return true;
  };
  if (extra)
    scan_extra(extra, kLeast, kMost - kLeast, note);
  else if (layout && params)
    scan_params(*layout, params, kLeast, kMost - kLeast, note);
  return arguments;
}

}  // namespace spillway
