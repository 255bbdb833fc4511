// SPDX-License-Identifier: Apache-2.0
// Makes the corpus that the fuzzers begin with and `make test` runs: fuzz_corpus FOLDER
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "runtime/config.h"
#include "runtime/trace/format.h"
#include "runtime/trace/recorder.h"
#include "runtime/trace/writer.h"

namespace {

using namespace spillway;
namespace fs = std::filesystem;

std::atomic<trace::Ring*> ring{nullptr};

template <class E>
void tell(const E& event) {
  trace::record(ring, event);
}

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// By the writer itself. `events` in each block, of which there are `blocks`.
std::string recorded(const fs::path& path, int blocks, const std::function<void(int)>& events) {
  if (!trace::start({path, 1 << 30, TraceKeep::Last,
                     "\"pid\": 7, \"program\": \"train\", \"policy\": \"lru\""}))
    std::exit(1);
  for (int block = 0; block < blocks; ++block) {
    events(block);
    if (block + 1 < blocks) std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
  trace::stop();
  return read(path);
}

void every_event(int) {
  const uint64_t kernel = trace::name(trace::NameOf::Kernel, "_Z6matmulIfEvPT_S1_");
  const uint64_t ranges[] = {1, 2, uint64_t{1} << 40};
  tell(trace::Budget{0, 1 << 30, 1u << 31});
  for (const uint64_t range : {1, 2})
    tell(trace::Allocated{range, 0x7f0000000000, 1 << 24, 0, true});
  tell(trace::Launched{kernel, 3, 0, ranges});
  tell(trace::Launched{0, 0, 0, {}});
  tell(trace::Evicted{1, 0, 1 << 24, 0, Cause::Pressure, 1500});
  tell(trace::Stalled{trace::StallFor::Data, 900, 1 << 24, ranges});
  tell(trace::Fetched{1, 0, 1 << 24, 0, Cause::Launch, 2500});
  tell(trace::Stalled{trace::StallFor::Room, ~uint64_t{0}, 1, {}});
  tell(trace::Lost{3});
  tell(trace::Freed{1});
  tell(trace::Freed{~uint64_t{0}});
}

// The same bytes with another word of the same length.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

void make_traces(const fs::path& folder) {
  const std::string whole = recorded(folder / "every_event", 1, every_event);
  const std::string blocks = recorded(folder / "blocks", 3, every_event);
  const std::string none = recorded(folder / "no_events", 1, [](int) {});
  write(folder / "empty", "");
  write(folder / "foreign",
        "\x7f"
        "ELF\x02\x01\x01, and more than sixteen bytes of it");
  write(folder / "magic_only", whole.substr(0, 8));
  write(folder / "head_only", whole.substr(0, sizeof(trace::FileHead)));
  write(folder / "cut_in_head", whole.substr(0, 200));
  write(folder / "cut_in_block", blocks.substr(0, blocks.size() - 9));
  write(folder / "cut_in_block_head", blocks.substr(0, blocks.rfind("SPWB") + 6));
  std::string flipped = blocks;
  flipped[flipped.rfind("SPWB") - 8] ^= 0x10;
  write(folder / "corrupted_block", flipped);
  std::string greedy = blocks;  // claims more than there is
  greedy.replace(greedy.find("SPWB") + 4, 4, "\xff\xff\xff\x00", 4);
  write(folder / "long_block", greedy);
  std::string zeros = whole;
  zeros.replace(zeros.find("SPWB") + 4, 8, std::string(8, '\0'));
  write(folder / "no_block", zeros);
  write(
      folder / "many_magics", none + [] {
        std::string text;
        for (int i = 0; i < 300; ++i) text += "SPWB";
        return text;
      }());
  std::string newer = whole;
  newer[8] = 99;
  write(folder / "newer_version", newer);
  write(folder / "unknown_event", replaced(whole, R"("kind": "freed", "fields": [{"name": "range")",
                                           R"("kind": "frost", "fields": [{"name": "chill")"));
  write(folder / "unknown_type", replaced(whole, R"("type": "number")", R"("type": "figure")"));
  write(folder / "other_words", replaced(whole, R"("pressure")", R"("boredoms")"));
  write(folder / "number_as_text",
        replaced(whole, R"({"name": "range", "type": "number", "unit": ""})",
                 R"({"name": "range", "type": "text",   "unit": ""})"));
  write(folder / "broken_head", replaced(whole, "\"events\"", "\"event.\""));
  write(folder / "head_of_other_types",
        replaced(replaced(whole, "\"pid\": 7,", "\"pid\":[],"), "\"train\"", "12345.7"));
}

void make_environments(const fs::path& folder) {
  std::string all;
  for (const OptionInfo& option : options())
    all += fmt::format("{}={}", option.env, option.fallback) + '\0';
  write(folder / "defaults", all);
  const std::pair<const char*, const char*> kinds[] = {
      {"switch", "SPILLWAY_BANNER=yes"},
      {"bad_switch", "SPILLWAY_BANNER=maybe"},
      {"bytes", "SPILLWAY_MIN_SIZE=1.5 GiB"},
      {"bad_bytes", "SPILLWAY_MIN_SIZE=3Gi"},
      {"many_digits", "SPILLWAY_PREWARM=18446744073709551616.000000000000000000000000001TiB"},
      {"share", "SPILLWAY_DEVICE_LIMIT=62.5%"},
      {"small_share", "SPILLWAY_HOST_LIMIT=0.0001%"},
      {"bad_share", "SPILLWAY_DEVICE_LIMIT=100.0001%"},
      {"bytes_as_limit", "SPILLWAY_DEVICE_LIMIT=12GiB"},
      {"path", "SPILLWAY_TRACE=/tmp/%r-%p%%.trace%"},
      {"path_that_is_no_text", "SPILLWAY_LOG_FILE=/tmp/\xff\xfe\x80"},
      {"policy", "SPILLWAY_POLICY=clock"},
      {"words", "SPILLWAY_IN_PLACE=off"},
      {"log", "SPILLWAY_LOG=trace"},
      {"typo", "SPILLWAY_POLCY=lru"},
      {"unknown", "SPILLWAY_FROBNICATE=1"},
      {"nameless", "SPILLWAY_=,=SPILLWAY_POLICY,="},
      {"others", "PATH=/bin"},
  };
  for (const auto& [name, entry] : kinds) write(folder / name, entry);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const fs::path folder = argv[1];
  fs::create_directories(folder / "trace");
  fs::create_directories(folder / "config");
  make_traces(folder / "trace");
  make_environments(folder / "config");
  return 0;
}
