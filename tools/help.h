// SPDX-License-Identifier: Apache-2.0
// How --help looks, and what a line that cannot be read is answered with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class FormatterBase;
}  // namespace CLI

namespace spillway::tools {

struct Outline;

// Help as wide as a terminal; defaults stand behind what they are the defaults of.
std::shared_ptr<CLI::FormatterBase> help_formatter();

// Broken at spaces, each line but the first behind `indent` spaces.
std::string wrapped(std::string_view text, size_t indent, size_t width = 80);

// The candidate that a mistyped word is nearest to, or the only one that it begins.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

// What is wrong with a line that the parser refused (`said`), and what may have been meant.
std::string what_is_wrong(const Outline& root, const std::vector<std::string>& line,
                          const std::string& said);

}  // namespace spillway::tools
