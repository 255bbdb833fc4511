// SPDX-License-Identifier: Apache-2.0
// Writes the JSON report at exit.
#include "tests/sim/driver/report.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

constinit const ReportSection* sections = nullptr;  // filled by static constructors

const ReportSection calls_section("calls", [] {
  nlohmann::json calls = nlohmann::json::object();
  for (const Call* call = Call::first(); call; call = call->next()) {
    auto& count = calls[call->symbol()];
    count = call->calls() + (count.is_number() ? count.get<uint64_t>() : 0);
  }
  return calls;
});

}  // namespace

ReportSection::ReportSection(const char* name, Make make)
    : name_(name), make_(make), next_(sections) {
  sections = this;
}

void complain(std::string_view text) {
  fprintf(stderr, "simcuda: %.*s\n", static_cast<int>(text.size()), text.data());
}

void write_report() {
  nlohmann::json report = nlohmann::json::object();
  for (const ReportSection* section = sections; section; section = section->next_) {
    report[section->name_] = section->make_();
  }
  std::ofstream file(settings().report);
  file << report.dump(2) << '\n';
  file.close();
  if (!file) complain("cannot write the report to SIMCUDA_REPORT=" + settings().report);
}

namespace {

// A library destructor, not atexit: it runs after the application's own handlers and after the
// runtime has made its last driver calls. A process that never called cuInit writes nothing.
__attribute__((destructor)) void at_exit() {
  if (initialised() && !settings().report.empty()) write_report();
}

}  // namespace
}  // namespace sim
