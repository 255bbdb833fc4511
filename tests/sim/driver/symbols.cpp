// SPDX-License-Identifier: Apache-2.0
// Finding entry points: cuGetProcAddress in both forms, and the answer of those never written.
#include "tests/sim/driver/symbols.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/report.h"

namespace sim {

int not_simulated(Stub& stub) {
  if (stub.calls.fetch_add(1, std::memory_order_relaxed) == 0) {
    complain(fmt::format("{} is not simulated", stub.name));
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

namespace {

const ReportSection unsimulated_section("unsimulated", [] {
  nlohmann::json called = nlohmann::json::object();
  for (const Stub& stub : unsimulated()) {
    if (const unsigned calls = stub.calls.load()) called[stub.name] = calls;
  }
  return called;
});

struct LessByName {
  bool operator()(const Symbol& symbol, std::string_view name) const { return symbol.base < name; }
  bool operator()(std::string_view name, const Symbol& symbol) const { return name < symbol.base; }
};

// The newest ABI not newer than `version`; with the per-thread flag the per-thread form when there
// is one, else the ordinary one.
CUresult look_up(const char* name, void** out, int version, cuuint64_t flags,
                 CUdriverProcAddressQueryResult* status) {
  constexpr cuuint64_t kKnown =
      CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  if (!name || !out || version < 0 || (flags & ~kKnown) != 0 || flags == kKnown) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *out = nullptr;
  const bool per_thread = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  const auto table = symbols();
  const auto [first, last] =
      std::equal_range(table.begin(), table.end(), std::string_view(name), LessByName{});
  for (auto row = first; row != last; ++row) {
    if (row->version > version || (row->per_thread && !per_thread)) continue;
    *out = row->function;  // sorted by version, and a per-thread form is never the older one
  }
  const auto found = *out ? CU_GET_PROC_ADDRESS_SUCCESS
                          : (first == last ? CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
                                           : CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  if (status) *status = found;
  return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

}  // namespace
}  // namespace sim

SIM_API cuGetProcAddress(const char* name, void** out, int version, cuuint64_t flags) {
  SIM_ENTER_ALWAYS(cuGetProcAddress);
  return sim::look_up(name, out, version, flags, nullptr);
}

SIM_API cuGetProcAddress_v2(const char* name, void** out, int version, cuuint64_t flags,
                            CUdriverProcAddressQueryResult* status) {
  SIM_ENTER_ALWAYS(cuGetProcAddress_v2);
  return sim::look_up(name, out, version, flags, status);
}

// NVIDIA's private tables are NVIDIA's: a program that needs one needs NVIDIA's driver.
SIM_API cuGetExportTable(const void** table, const CUuuid* id) {
  SIM_ENTER_ALWAYS(cuGetExportTable);
  if (!table || !id) return CUDA_ERROR_INVALID_VALUE;
  *table = nullptr;
  return CUDA_ERROR_NOT_FOUND;
}
