// SPDX-License-Identifier: Apache-2.0
// A page in a browser without a window: what its script found out, and what it looks like.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace report {

enum class Look { DesktopLight, PhoneDark };
inline constexpr Look kLooks[] = {Look::DesktopLight, Look::PhoneDark};
std::string name(Look look);

struct Seen {
  bool loaded = false;
  std::string failure;                      // how the browser ended, if not well
  std::map<std::string, std::string> told;  // data- attributes of <html>, without "data-"
  std::string text;                         // the whole document after its script
  std::vector<std::string> console;         // what the page said there

  int number(const std::string& what) const;  // -1: it is not there
};

bool has_browser();

// Lets the script of the page run. Its network is switched off.
Seen look_at(const std::filesystem::path& page, Look look);
// All of the page, `height` as it told, as a PNG.
void photograph(const std::filesystem::path& page, Look look, int height,
                const std::filesystem::path& picture);

}  // namespace report
