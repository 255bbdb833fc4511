// SPDX-License-Identifier: Apache-2.0
// spillway trace report: one page with charts, which needs nothing but a browser.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <memory>

#include "tools/json.h"
#include "tools/trace/report/data.h"
#include "tools/trace/report/page.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
std::string output = "report.html";
bool as_json = false;
Detail detail;

// A page that is mailed around and opened on a telephone. Detail is given up for it.
constexpr size_t kLargestPage = 2 << 20;
constexpr size_t kFewestPoints = 25;

std::string page_within_limit(const std::vector<History>& histories) {
  for (;; detail.points /= 2, detail.ranges = std::max<size_t>(1, detail.ranges / 2)) {
    std::string page = report_page(report_data(paths, histories, detail));
    if (page.size() <= kLargestPage || detail.points <= kFewestPoints) return page;
  }
}

void write(const std::string& text) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(nullptr, std::fclose);
  if (output != "-") {
    file.reset(std::fopen(output.c_str(), "we"));
    if (!file) throw TraceError(output + ": " + std::strerror(errno));
  }
  std::FILE* const out = file ? file.get() : stdout;
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0)
    throw TraceError(output + ": " + std::strerror(errno));
}

}  // namespace

void declare_report(CLI::App& app) {
  take_traces(app, &paths);
  app.add_option("-o,--output", output, "where to; - is standard output")->capture_default_str();
  app.add_option("--points", detail.points, "of a chart, at most")
      ->check(CLI::Range(10, 2000))
      ->capture_default_str();
  app.add_option("--top", detail.ranges, "how many ranges are shown one by one")
      ->check(CLI::Range(1, 200))
      ->capture_default_str();
  app.add_flag("--json", as_json,
               "what the page is made from, as JSON; times in s, sizes in bytes");
}

int report_traces() {
  std::vector<History> histories;
  for (const std::string& path : paths) histories.push_back(read_history(path));
  if (as_json)
    write(text_of(report_data(paths, histories, detail)) + "\n");
  else
    write(page_within_limit(histories));
  return 0;
}

}  // namespace spillway::tools
