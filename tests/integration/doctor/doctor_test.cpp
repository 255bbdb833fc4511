// SPDX-License-Identifier: Apache-2.0
// spillway doctor: every row, every driver that is worse than it should be, and no hang.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/place.h"
#include "tests/unit/folder.h"

namespace {

using nlohmann::json;
using support::Environment;
using support::Finished;
using support::Folder;
using testing::HasSubstr;
using testing::StartsWith;

class Doctor : public testing::Test {
 public:
  Doctor() {
    with("PATH", folder_.path);  // without python: quicker
    const std::string asan = environment_["ASAN_OPTIONS"];
    with("ASAN_OPTIONS", asan + ":verify_asan_link_order=0");
  }
  Doctor& with(const std::string& name, const std::string& value) {
    environment_[name] = value;
    return *this;
  }
  Doctor& on_the_old_driver() {
    return with("LD_LIBRARY_PATH", support::build_directory() / "old_driver");
  }

  Finished run(std::vector<std::string> words = {}) const {
    words.insert(words.begin(), {support::build_directory() / "spillway", "doctor"});
    return support::run({.arguments = std::move(words), .environment = environment_});
  }
  // The answer as JSON, whose exit status must fit.
  void examine(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = run(words);
    SCOPED_TRACE(finished.out + finished.err);
    answer_ = json::parse(finished.out, nullptr, false);
    ASSERT_TRUE(answer_.is_object());
    size_t failed = 0, warned = 0;
    for (const json& row : answer_.at("rows")) {
      failed += row.at("health") == "fail";
      warned += row.at("health") == "warn";
      ASSERT_FALSE(row.at("text").get<std::string>().empty()) << row;
      if (row.at("health") != "ok") {
        ASSERT_TRUE(row.contains("advice")) << row;
      }
    }
    ASSERT_EQ(finished.exit_code, failed ? 1 : 0);
    ASSERT_EQ(answer_.at("ready"), failed == 0);
    ASSERT_EQ(answer_.at("warnings"), warned);
  }
  json row(const std::string& topic, int device = -1) const {
    for (const json& row : answer_.at("rows"))
      if (row.at("topic") == topic && row.value("device", -1) == device) return row;
    ADD_FAILURE() << "no row " << topic << " in " << answer_.dump(1);
    return json{{"health", ""}, {"text", ""}, {"advice", ""}, {"facts", json::object()}};
  }
  std::string text(const std::string& topic, int device = -1) const {
    return row(topic, device).at("text");
  }
  std::string advice(const std::string& topic, int device = -1) const {
    return row(topic, device).value("advice", "");
  }
  std::string health(const std::string& topic, int device = -1) const {
    return row(topic, device).at("health");
  }
  std::string verdict() const { return answer_.at("verdict"); }

  // A program in the only folder of PATH.
  void install(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), 0755);
  }
  const std::string& folder() const { return folder_.path; }

 private:
  Folder folder_;
  Environment environment_ = support::plain(support::Gpu::Simulated);
  json answer_;
};

// --- a machine that has everything --------------------------------------------------------------

TEST_F(Doctor, FindsEverythingOnTheSimulatedGpu) {
  examine();
  for (const char* topic : {"library", "options", "driver", "functions", "memory", "locked memory",
                            "shared memory", "python", "neighbours"})
    EXPECT_NE(health(topic), "fail") << topic;
  for (const char* topic : {"device", "mapping", "in place", "link", "numa"})
    EXPECT_EQ(health(topic, 0), "ok") << topic;
  EXPECT_EQ(row("driver").at("facts").at("version"), 13000);
  EXPECT_TRUE(row("functions").at("facts").at("lacking").empty());
  EXPECT_EQ(row("device", 0).at("facts").at("total_bytes"), uint64_t{64} << 30);
  EXPECT_EQ(row("mapping", 0).at("facts").at("granularity"), 2 << 20);
  EXPECT_EQ(row("in place", 0).at("facts").at("host_memory"), "HOST_NUMA");
  EXPECT_THAT(verdict(), StartsWith("doctor: ready"));
  EXPECT_THAT(verdict(), HasSubstr("1 device, budget 60.8 GiB"));
  EXPECT_THAT(verdict(), HasSubstr("in place, link 55."));
}

// The simulated link is that of its profile, in virtual time, whatever the machine is doing.
TEST_F(Doctor, MeasuresTheLinkEachWayAndBothAtOnce) {
  examine();
  const json facts = row("link", 0).at("facts");
  EXPECT_NEAR(facts.at("in_gb_s"), 55.4, 0.5);
  EXPECT_NEAR(facts.at("out_gb_s"), 55.2, 0.5);
  EXPECT_GT(facts.at("both_gb_s"), 85);
  EXPECT_LE(facts.at("both_gb_s"), 100);
  EXPECT_THAT(text("link", 0), HasSubstr("1 GiB takes 19 ms to come back"));
  with("SIMCUDA_PROFILE", "gh200-c2c");
  examine();
  EXPECT_GT(row("link", 0).at("facts").at("in_gb_s"), 300);
}

TEST_F(Doctor, SpeaksToPeople) {
  const Finished finished = run();
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.err, "");
  for (const char* topic : {"\nok    driver ", "\nok    in place 0 ", "\nok    link 0 "})
    EXPECT_THAT(finished.out, HasSubstr(topic));
  const std::string last = finished.out.substr(finished.out.rfind("\ndoctor: "));
  EXPECT_EQ(std::ranges::count(last, '\n'), 2) << "the verdict is the last line";
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line) && !line.starts_with("doctor:");)
    EXPECT_LE(line.size(), 120u) << line;
}

TEST_F(Doctor, ExaminesEveryDevice) {
  with("SIMCUDA_DEVICES", "3").with("SIMCUDA_MEMORY", "4GiB");
  examine();
  for (int device = 0; device < 3; ++device) {
    EXPECT_EQ(health("device", device), "ok");
    EXPECT_EQ(health("link", device), "ok");
  }
  EXPECT_THAT(verdict(), HasSubstr("3 devices, budget 11.4 GiB"));
}

TEST_F(Doctor, SaysWhatTheOptionsWillDo) {
  with("SPILLWAY_DEVICE_LIMIT", "8GiB").with("SPILLWAY_HOST_LIMIT", "1GiB");
  with("SPILLWAY_IN_PLACE", "off");
  examine();
  EXPECT_THAT(text("options"), HasSubstr("SPILLWAY_DEVICE_LIMIT=8GiB"));
  EXPECT_EQ(row("device", 0).at("facts").at("budget_bytes"), uint64_t{8} << 30);
  EXPECT_THAT(text("in place", 0), HasSubstr("SPILLWAY_IN_PLACE=off"));
  EXPECT_FALSE(row("in place", 0).at("facts").at("used"));
  EXPECT_THAT(text("memory"), HasSubstr("evicted data may fill 1.0 GiB"));
  EXPECT_EQ(health("memory"), "warn") << "an eighth of the device's budget";
  EXPECT_THAT(verdict(), HasSubstr("by copies"));

  with("SPILLWAY_POLICY", "luck").with("SPILLWAY_ENABLE", "off");
  examine();
  EXPECT_EQ(health("options"), "warn");
  EXPECT_THAT(advice("options"), HasSubstr("SPILLWAY_POLICY=luck: not one of"));
}

TEST_F(Doctor, IsNotFooledByALibraryThatIsPreloaded) {
  with("LD_PRELOAD", support::interposed(support::Gpu::Simulated).at("LD_PRELOAD"));
  with("SPILLWAY_DEVICE_LIMIT", "8GiB");
  examine();
  EXPECT_EQ(row("device", 0).at("facts").at("free_bytes"), uint64_t{64} << 30);
  EXPECT_THAT(text("neighbours"), HasSubstr("Spillway itself, LD_PRELOAD"));
}

// --- worse drivers ------------------------------------------------------------------------------

TEST_F(Doctor, SaysWhatIsMissingWithoutADriver) {
  std::ofstream(folder() + "/libcuda.so.1") << "not a library, but in front of any that is one";
  with("LD_LIBRARY_PATH", folder());
  examine();
  EXPECT_EQ(health("driver"), "fail");
  EXPECT_FALSE(row("driver").at("facts").at("found"));
  EXPECT_THAT(text("driver"), HasSubstr("libcuda.so.1"));
  EXPECT_THAT(verdict(), StartsWith("doctor: not ready: driver: "));
  EXPECT_NE(health("memory"), "fail") << "the rest is told all the same";
  EXPECT_EQ(run().exit_code, 1);
}

TEST_F(Doctor, SaysWhatAnOldDriverLacks) {
  on_the_old_driver();
  examine();
  EXPECT_EQ(health("driver"), "warn");
  EXPECT_THAT(text("driver"), HasSubstr("CUDA 11.4"));
  EXPECT_THAT(text("driver"), HasSubstr("older than 12.4"));
  EXPECT_EQ(health("functions"), "warn");
  EXPECT_THAT(text("functions"), HasSubstr("cuMemCreate"));
  EXPECT_EQ(health("device", 0), "ok");
  EXPECT_EQ(health("mapping", 0), "fail");
  EXPECT_EQ(health("in place", 0), "warn");
  EXPECT_EQ(health("link", 0), "warn");
  EXPECT_THAT(verdict(), StartsWith("doctor: not ready: mapping 0: "));
}

TEST_F(Doctor, GivesUpOnADriverThatHangs) {
  for (const char* function : {"cuInit", "cuDeviceGetName"}) {
    on_the_old_driver().with("OLD_DRIVER", std::string("hang ") + function);
    const auto begin = std::chrono::steady_clock::now();
    examine({"--patience", "1"});
    EXPECT_LT(std::chrono::steady_clock::now() - begin,
              std::chrono::seconds(10 * support::slowness()));
    EXPECT_THAT(verdict(), HasSubstr("does not answer within 1 s"));
  }
  EXPECT_THAT(text("driver calls"), HasSubstr("name and size of device 0"));
}

TEST_F(Doctor, SurvivesADriverThatCrashes) {
  on_the_old_driver().with("OLD_DRIVER", "crash cuInit");
  examine();
  EXPECT_EQ(health("driver"), "fail");
  EXPECT_THAT(text("driver"), HasSubstr("at: cuInit"));
  on_the_old_driver().with("OLD_DRIVER", "crash cuDeviceGetName");
  examine();
  EXPECT_EQ(health("driver calls"), "fail");
}

TEST_F(Doctor, SaysThatThereIsNoDevice) {
  with("SIMCUDA_DEVICES", "0");
  examine();
  EXPECT_THAT(verdict(), StartsWith("doctor: not ready: "));
  EXPECT_THAT(run().out, HasSubstr("CUDA_VISIBLE_DEVICES"));
}

TEST_F(Doctor, WarnsWhereHostMemoryCannotBeMapped) {
  with("SIMCUDA_HOST_VMM", "0");
  examine();
  EXPECT_EQ(health("in place", 0), "warn");
  EXPECT_THAT(text("in place", 0), HasSubstr("CUDA_ERROR_NOT_SUPPORTED"));
  EXPECT_THAT(advice("in place", 0), HasSubstr("SYS_NICE"));
  EXPECT_THAT(verdict(), HasSubstr("by copies"));
}

TEST_F(Doctor, MeasuresLessWhereThereIsLittleRoom) {
  with("SIMCUDA_MEMORY", "40MiB").with("SPILLWAY_DEVICE_LIMIT", "100%");
  examine();
  EXPECT_EQ(row("link", 0).at("facts").at("bytes"), 16 << 20);
  with("SIMCUDA_PINNED", "1");
  examine();
  EXPECT_THAT(text("link", 0), StartsWith("not measured: cuMemHostAlloc"));
}

class OneCall : public Doctor, public testing::WithParamInterface<const char*> {};

// Each call of the driver's fails in turn, every time: the doctor answers, and says so unless it
// asked for a detail only.
TEST_P(OneCall, MayFail) {
  const std::string function = GetParam();
  with("SIMCUDA_FAULT", function + ":*:CUDA_ERROR_UNKNOWN").with("SIMCUDA_MEMORY", "1GiB");
  examine();
  constexpr std::string_view kDetails[] = {
      "cuDeviceGetPCIBusId", "cuDriverGetVersion", "cuGetErrorName",
      // To give back what nobody uses any more.
      "cuDevicePrimaryCtxRelease_v2", "cuMemAddressFree", "cuMemRelease", "cuMemUnmap",
      "cuMemFree_v2", "cuMemFreeHost", "cuEventDestroy_v2", "cuStreamDestroy_v2"};
  const bool detail = std::ranges::find(kDetails, function) != std::end(kDetails);
  const bool said = verdict().find("not ready") != std::string::npos ||
                    health("link", 0) == "warn" || health("in place", 0) == "warn";
  EXPECT_TRUE(detail || said) << verdict();
}

constexpr const char* kCalls[] = {
#define CALL(symbol) #symbol,
#include "tools/doctor/driver.def"
#undef CALL
};
INSTANTIATE_TEST_SUITE_P(Doctor, OneCall, testing::ValuesIn(kCalls),
                         [](const auto& info) { return std::string(info.param); });

// --- the machine --------------------------------------------------------------------------------

TEST_F(Doctor, SaysWhenTheLibraryIsNotThere) {
  with("SPILLWAY_LIBRARY", folder() + "/nowhere.so");
  examine();
  EXPECT_EQ(health("library"), "fail");
  EXPECT_THAT(text("library"), HasSubstr("nowhere.so"));

  ElfW(Ehdr) header{};  // of a library, and no more
  std::ifstream("/proc/self/exe", std::ios::binary)
      .read(reinterpret_cast<char*>(&header), sizeof header);
  header.e_type = ET_DYN;
  header.e_phnum = 0;
  std::ofstream(folder() + "/empty.so", std::ios::binary)
      .write(reinterpret_cast<const char*>(&header), sizeof header);
  with("SPILLWAY_LIBRARY", folder() + "/empty.so");
  examine();
  EXPECT_EQ(health("library"), "fail");
  EXPECT_THAT(text("library"), HasSubstr("does not load"));
}

// A python3 whose only installed distributions are these, as pip would leave them.
std::string python_with(const std::string& folder,
                        const std::vector<std::pair<std::string, std::string>>& distributions) {
  for (const auto& [name, version] : distributions) {
    const std::string path = folder + "/" + name + "-" + version + ".dist-info";
    std::filesystem::create_directory(path);
    std::ofstream(path + "/METADATA")
        << "Metadata-Version: 2.1\nName: " << name << "\nVersion: " << version << "\n";
  }
  return "#!/bin/sh\nshift\nPYTHONPATH='" + folder + "' exec " PYTHON " -S \"$@\"\n";
}

TEST_F(Doctor, NamesTheSwitchOfEachFramework) {
  install("python3", python_with(folder(), {{"torch", "2.9.1"},
                                            {"jax", "0.7.2"},
                                            {"tensorflow", "2.20.0"},
                                            {"cupy_cuda12x", "13.6.0"},
                                            {"nvidia_nccl_cu12", "2.28.9"}}));
  examine();
  EXPECT_THAT(text("PyTorch"),
              StartsWith("2.9.1: PYTORCH_CUDA_ALLOC_CONF=backend:cudaMallocAsync"));
  EXPECT_THAT(text("JAX"), HasSubstr("XLA_PYTHON_CLIENT_ALLOCATOR=cuda_async"));
  EXPECT_THAT(text("TensorFlow"), HasSubstr("TF_GPU_ALLOCATOR=cuda_malloc_async"));
  EXPECT_THAT(text("CuPy"), HasSubstr("malloc_async"));
  EXPECT_THAT(text("NCCL"), HasSubstr("NCCL_LOCAL_REGISTER=0"));

  with("PYTORCH_ALLOC_CONF", "expandable_segments:True");
  with("TF_GPU_ALLOCATOR", "cuda_malloc_async");
  examine();
  EXPECT_EQ(health("PyTorch"), "warn");
  EXPECT_THAT(text("PyTorch"), HasSubstr("PYTORCH_ALLOC_CONF=expandable_segments:True is yours"));
  EXPECT_THAT(advice("PyTorch"), HasSubstr("backend:cudaMallocAsync"));
  EXPECT_EQ(health("TensorFlow"), "ok") << "the user said the same";

  with("SPILLWAY_PRESETS", "off");
  examine();
  EXPECT_THAT(text("JAX"), HasSubstr("left as it is"));
}

TEST_F(Doctor, DoesWithoutAPythonThatDoesNotAnswer) {
  examine();
  EXPECT_THAT(text("python"), HasSubstr("no python3 on PATH"));
  install("python3", "#!/bin/sh\necho broken\nexit 3\n");
  examine();
  EXPECT_EQ(health("python"), "warn");
  EXPECT_THAT(text("python"), HasSubstr("does not answer: broken"));
  install("python3", "#!/bin/sh\nexec /bin/sleep 60\n");
  examine({"--patience", "1"});
  EXPECT_THAT(text("python"), HasSubstr("does not answer in time"));
}

TEST_F(Doctor, KnowsItsNeighbours) {
  for (const char* name : {"libnvshare.so", "mine.so"})
    std::filesystem::copy_file(PRELOAD_PROBE, folder() + "/" + name);
  with("LD_PRELOAD", folder() + "/libnvshare.so:" + folder() + "/mine.so");
  with("CUDA_INJECTION64_PATH", folder() + "/libToolsInjection64.so");
  examine();
  EXPECT_EQ(health("neighbours"), "warn");
  EXPECT_THAT(text("neighbours"), HasSubstr("libnvshare.so (nvshare, LD_PRELOAD)"));
  EXPECT_THAT(text("neighbours"), HasSubstr("mine.so (not known here, LD_PRELOAD)"));
  EXPECT_THAT(text("neighbours"), HasSubstr("Nsight Systems, CUDA_INJECTION64_PATH"));
  EXPECT_THAT(advice("neighbours"), HasSubstr("not both"));
}

TEST_F(Doctor, SaysThatInjectionComesTooLate) {
  with("CUDA_INJECTION64_PATH", support::library());
  examine();
  EXPECT_EQ(health("neighbours"), "warn");
  EXPECT_THAT(advice("neighbours"), HasSubstr("too late"));
}

TEST_F(Doctor, SeesAnMpsServerAndASlice) {
  std::ofstream(folder() + "/control") << "";
  with("CUDA_MPS_PIPE_DIRECTORY", folder()).with("CUDA_VISIBLE_DEVICES", "MIG-1-2-3");
  examine();
  EXPECT_THAT(text("neighbours"), HasSubstr("MPS server at " + folder()));
  EXPECT_THAT(text("neighbours"), HasSubstr("MIG slice"));
}

}  // namespace
