// SPDX-License-Identifier: Apache-2.0
// The integration tests' words: a story of a test program, the world it runs in, and what was seen.
//   World().device(32_MiB).budget(12_MiB).tells_the_same("pressure", "rounds", moved);
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/place.h"

namespace integration {

constexpr size_t operator""_MiB(unsigned long long count) {
  return count << 20;
}
constexpr size_t operator""_KiB(unsigned long long count) {
  return count << 10;
}

struct Seen {
  support::Command command;
  support::Finished finished;
  nlohmann::json summary;  // what the library counted; null when it wrote nothing

  uint64_t count(const char* name) const { return summary.value(name, uint64_t{0}); }
  uint64_t moves() const { return count("evictions") + count("fetches"); }
};

// A story of one of several programs, as the parameter of a test; its name alone names the test.
struct Story {
  const char* program;
  const char* name;
};
void PrintTo(const Story& story, std::ostream* out);
std::string by_story(const testing::TestParamInfo<Story>& info);

// Schedules under which everything is tried: 10, fewer with sanitizers.
int schedules();

class World {
 public:
  World();  // the library in front, a big device, no other limit

  World& device(size_t bytes) { return with("SIMCUDA_MEMORY", std::to_string(bytes)); }
  World& budget(size_t bytes) { return with("SPILLWAY_DEVICE_LIMIT", std::to_string(bytes)); }
  World& host_budget(size_t bytes) { return with("SPILLWAY_HOST_LIMIT", std::to_string(bytes)); }
  // A machine that cannot map host memory where device memory was.
  World& copy_only() { return with("SIMCUDA_HOST_VMM", "0"); }
  World& with(const std::string& name, const std::string& value);
  World& without_the_library();

  Seen run(const std::string& program, const std::string& story, int schedule = 0) const;

  // Runs it under each schedule: it must end well, say on stdout exactly what it says without the
  // library on a big device, and `also` must hold.
  using Also = std::function<void(const Seen&)>;
  void tells_the_same(const std::string& program, const std::string& story,
                      const Also& also = {}) const;
  // The same without the comparison, for stories whose answers depend on the budget.
  void ends_well(const std::string& program, const std::string& story, const Also& also = {}) const;

 private:
  void under_every_schedule(const std::string& program, const std::string& story,
                            const std::string* expected, const Also& also) const;

  support::Environment environment_;
  bool interposed_ = true;
};

// The `spillway` command, as somebody runs it beside a job.
support::Finished run_tool(std::vector<std::string> arguments);

void pushed_out(const Seen& seen);  // something was evicted
void moved(const Seen& seen);       // and something was fetched
void did_not_move(const Seen& seen);
void said_nothing(const Seen& seen);  // on stderr

}  // namespace integration
