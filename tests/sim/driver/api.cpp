// SPDX-License-Identifier: Apache-2.0
// Entering the driver: counting calls, failing the ones SIMCUDA_FAULT names, cuInit and fork.
#include "tests/sim/driver/api.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <pthread.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/sim/driver/errors.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

constinit std::atomic<Call*> all_calls{nullptr};

// function:n:error[:caller]. The name is that of an exported symbol or a base name, which means all
// its ABIs. Calls from elsewhere than the caller, a part of a loaded file's name, are not counted.
struct Rule {
  std::string function, caller;
  uint64_t first = 1;
  bool onwards = false;  // not only the first-th, but all after it too
  CUresult error = CUDA_ERROR_UNKNOWN;
  std::atomic<uint64_t> seen{0}, failed{0};
};

std::deque<Rule>& rules() {
  static auto* all = new std::deque<Rule>;
  return *all;
}

std::string_view base_name(std::string_view symbol) {
  for (const std::string_view suffix : {"_ptsz", "_ptds"}) {
    if (symbol.ends_with(suffix)) symbol.remove_suffix(suffix.size());
  }
  const size_t mark = symbol.rfind("_v");
  return symbol.substr(0, mark == std::string_view::npos ? symbol.size() : mark);
}

std::string_view cut(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  *text = end == std::string_view::npos ? std::string_view{} : text->substr(end + 1);
  return part;
}

const ReportSection faults_section("faults", [] {
  nlohmann::json list = nlohmann::json::array();
  for (const Rule& rule : rules()) {
    list.push_back(
        {{"function", rule.function}, {"calls", rule.seen.load()}, {"failed", rule.failed.load()}});
  }
  return list;
});

// nth: "3" (that call), "*" (every call), "3*" (every call from the third on).
bool parse_rule(std::string_view text, Rule* rule) {
  rule->function = cut(&text, ':');
  std::string_view nth = cut(&text, ':');
  if (nth.ends_with('*')) {
    rule->onwards = true;
    nth.remove_suffix(1);
  }
  if (!nth.empty() || !rule->onwards) {
    const auto [end, problem] = std::from_chars(nth.data(), nth.data() + nth.size(), rule->first);
    if (problem != std::errc{} || end != nth.data() + nth.size() || rule->first == 0) return false;
  }
  const std::string_view error = cut(&text, ':');
  rule->caller = text;
  return rule->function.starts_with("cu") && parse_error(error, &rule->error);
}

bool lies_in(const void* address, const std::string& name) {
  Dl_info info{};
  return dladdr(address, &info) && info.dli_fname && strstr(info.dli_fname, name.c_str());
}

}  // namespace

constinit std::atomic<bool> Call::faults_armed{false};

const Call* Call::first() {
  return all_calls.load(std::memory_order_acquire);
}

void Call::link() {
  next_ = all_calls.load(std::memory_order_relaxed);
  while (!all_calls.compare_exchange_weak(next_, this, std::memory_order_release)) {
  }
}

CUresult Call::injected(const void* caller) {
  const std::string_view base = base_name(symbol_);
  for (Rule& rule : rules()) {
    if (rule.function != symbol_ && rule.function != base) continue;
    if (!rule.caller.empty() && !lies_in(caller, rule.caller)) continue;
    const uint64_t call = rule.seen.fetch_add(1) + 1;
    if (call == rule.first || (rule.onwards && call > rule.first)) {
      rule.failed++;
      return rule.error;
    }
  }
  return CUDA_SUCCESS;
}

// When the library is loaded, so that even the first cuInit can be made to fail.
__attribute__((constructor)) void arm_faults() {
  std::string_view text = settings().fault;
  while (!text.empty()) {
    const std::string_view one = cut(&text, ',');
    if (!parse_rule(one, &rules().emplace_back())) {
      complain(fmt::format("SIMCUDA_FAULT: \"{}\" is not function:n:error[:caller]", one));
      rules().pop_back();
    }
  }
  Call::faults_armed = !rules().empty();
}

namespace {

enum class Life { Fresh, Initialised, Orphaned };  // Orphaned: child of an initialised process
constinit std::atomic<Life> life{Life::Fresh};

void in_child() {
  if (life.load() == Life::Initialised) life.store(Life::Orphaned);
}

}  // namespace

bool initialised() {
  return life.load(std::memory_order_acquire) == Life::Initialised;
}

bool initialise() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, in_child); });
  Life fresh = Life::Fresh;
  life.compare_exchange_strong(fresh, Life::Initialised);
  return initialised();
}

}  // namespace sim

namespace {

// The driver loads a tool that the environment names and calls it, once, when it is initialised.
void inject() {
  static std::atomic<bool> done{false};
  const char* path = std::getenv("CUDA_INJECTION64_PATH");
  if (!path || !*path || done.exchange(true)) return;
  void* const tool = dlopen(path, RTLD_NOW);
  void* const initialise = tool ? dlsym(tool, "InitializeInjection") : nullptr;
  if (initialise)
    reinterpret_cast<int (*)()>(initialise)();
  else
    sim::complain(fmt::format("CUDA_INJECTION64_PATH={}: {}", path, dlerror()));
}

}  // namespace

SIM_API cuInit(unsigned flags) {
  SIM_ENTER_ALWAYS(cuInit);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (sim::settings().devices == 0) return CUDA_ERROR_NO_DEVICE;
  if (!sim::initialise()) return CUDA_ERROR_NOT_INITIALIZED;
  inject();
  return CUDA_SUCCESS;
}

SIM_API cuDriverGetVersion(int* version) {
  SIM_ENTER_ALWAYS(cuDriverGetVersion);
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}
