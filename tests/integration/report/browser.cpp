// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/report/browser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "tests/support/place.h"

namespace report {
namespace {

namespace fs = std::filesystem;

struct View {
  Look look;
  const char* name;
  int width;
  bool dark;
};
constexpr std::array kViews = {View{Look::DesktopLight, "desktop-light", 1280, false},
                               View{Look::PhoneDark, "phone-dark", 390, true}};

const View& view_of(Look look) {
  return *std::ranges::find(kViews, look, &View::look);
}

std::string browser() {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path ? path : "/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const fs::path found = fs::path(folder) / "chromium"; fs::exists(found)) return found;
  return "";
}

// A folder for what a browser keeps of itself.
struct Profile {
  std::string path = testing::TempDir() + "spillway-browser-XXXXXX";
  Profile() { EXPECT_NE(mkdtemp(path.data()), nullptr); }
  ~Profile() {
    std::error_code busy;
    fs::remove_all(path, busy);
  }
};

support::Finished start(const fs::path& page, const View& view, int height,
                        const std::string& do_what) {
  const Profile profile;
  support::Command command;
  command.arguments = {
      browser(),
      "--headless",
      "--no-sandbox",  // which root cannot have; the page is our own
      "--disable-gpu",
      "--hide-scrollbars",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--host-resolver-rules=MAP * ~NOTFOUND",
      "--enable-logging=stderr",
      "--user-data-dir=" + profile.path,
      "--blink-settings=preferredColorScheme=" + std::string(view.dark ? "0" : "1"),
      "--window-size=" + std::to_string(view.width) + "," + std::to_string(height),
      do_what,
      "file://" + fs::absolute(page).string()};
  command.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", profile.path}};
  command.deadline = std::chrono::seconds(120);
  return support::run(command);
}

}  // namespace

std::string name(Look look) {
  return view_of(look).name;
}

int Seen::number(const std::string& what) const {
  const auto found = told.find(what);
  return found == told.end() ? -1 : std::atoi(found->second.c_str());
}

bool has_browser() {
  return !browser().empty();
}

Seen look_at(const fs::path& page, Look look) {
  const support::Finished finished = start(page, view_of(look), 1000, "--dump-dom");
  Seen seen;
  seen.text = finished.out;
  seen.loaded = finished.ok() && !finished.out.empty();
  if (!finished.ok()) seen.failure = finished.how() + "\n" + finished.err;
  const size_t begin = finished.out.find("<html");
  if (begin != std::string::npos) {
    const std::string root = finished.out.substr(begin, finished.out.find('>', begin) - begin);
    const std::regex attribute("data-([a-z]+)=\"([^\"]*)\"");
    for (std::sregex_iterator each(root.begin(), root.end(), attribute), end; each != end; ++each)
      seen.told[(*each)[1]] = (*each)[2];
  }
  std::istringstream lines(finished.err);
  for (std::string line; std::getline(lines, line);)
    if (line.find("CONSOLE") != std::string::npos) seen.console.push_back(line);
  return seen;
}

void photograph(const fs::path& page, Look look, int height, const fs::path& picture) {
  const support::Finished finished =
      start(page, view_of(look), height, "--screenshot=" + fs::absolute(picture).string());
  ASSERT_TRUE(finished.ok()) << finished.how() << "\n" << finished.err;
  ASSERT_TRUE(fs::exists(picture)) << finished.err;
  ASSERT_GT(fs::file_size(picture), 5000u) << picture;
}

}  // namespace report
