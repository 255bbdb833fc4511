// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/text_chart.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "runtime/bytes.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

constexpr size_t kMargin = 13;  // columns of a size and of the axis
constexpr size_t kNarrowest = 8;
constexpr uint64_t kFarAbove = 4;  // a budget this many times above the peak would flatten all
constexpr const char *kDevice = "█", *kEvicted = "░", *kBudget = "─";

std::string line(const std::string& label, const char* axis, const std::string& picture) {
  std::string text = fmt::format("{:>{}} {}{}", label, kMargin - 2, axis, picture);
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

struct Scale {
  double step = 1;   // bytes of a line
  size_t lines = 0;  // of the picture, without that of the budget
  size_t ruler = 0;  // the budget's line stands above this many; 0: there is none
};

// So that the budget lies between two lines: then it hides nothing.
Scale scale_of(uint64_t peak, uint64_t budget, size_t height) {
  Scale scale;
  const bool ruled = budget && budget / kFarAbove <= peak;
  const auto top = static_cast<double>(ruled ? std::max(peak, budget) : peak);
  const auto lines = static_cast<double>(height);
  if (ruled)
    scale.ruler =
        static_cast<size_t>(std::max(1.0, std::round(static_cast<double>(budget) / top * lines)));
  scale.step = ruled ? static_cast<double>(budget) / static_cast<double>(scale.ruler) : top / lines;
  scale.lines = static_cast<size_t>(std::ceil(top / scale.step - 1e-9));
  return scale;
}

const char* mark(const Level& most, double middle) {
  if (static_cast<double>(most.device) > middle) return kDevice;
  return static_cast<double>(most.allocated) > middle ? kEvicted : " ";
}

}  // namespace

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) return size.ws_col;
  const char* const columns = std::getenv("COLUMNS");
  const int told = columns ? std::atoi(columns) : 0;
  return told > 0 ? static_cast<size_t>(told) : 80;
}

std::string memory_chart(const History& history, size_t width, size_t height) {
  // A column may be narrower than an interval of the axis: then neighbours show the same.
  const size_t columns = std::max(width, kMargin + kNarrowest) - kMargin;
  const auto& intervals = history.time.cells();
  if (!history.peak || intervals.empty()) return "";
  std::vector<Level> levels(columns);
  uint64_t budget = 0;
  for (size_t column = 0; column < columns; ++column) {
    const size_t from = column * intervals.size() / columns;
    const size_t to = std::max(from + 1, (column + 1) * intervals.size() / columns);
    Interval all = intervals[from];
    for (size_t i = from + 1; i < to; ++i) all.join(intervals[i]);
    levels[column] = all.most;
    budget = std::max(budget, all.most.budget);
  }
  const Scale scale = scale_of(history.peak, budget, height);
  // A budget that was lower for a while lies within a line.
  const auto place_of_budget = [&](const Level& level) {
    const double lines = static_cast<double>(level.budget) / scale.step + 0.5;
    return static_cast<size_t>(std::min(lines, 1e6));  // whatever the trace says
  };
  std::string text;
  for (size_t i = scale.lines; i-- > 0;) {
    const double middle = scale.step * (static_cast<double>(i) + 0.5);
    if (scale.ruler == i + 1) {
      std::string picture;
      for (const Level& level : levels)
        picture += place_of_budget(level) == scale.ruler ? kBudget : mark(level, middle);
      text += line(format_bytes(budget), "├", picture);
    }
    std::string picture;
    for (const Level& level : levels)
      picture += scale.ruler && level.budget && place_of_budget(level) == i && i != scale.ruler &&
                         static_cast<double>(level.device) <= middle
                     ? kBudget
                     : mark(level, middle);
    const bool top = i + 1 == scale.lines && scale.ruler != scale.lines;
    text += line(top ? format_bytes(history.peak) : "", "│", picture);
  }
  std::string floor;
  for (size_t column = 0; column < columns; ++column) floor += "─";
  text += line("0 B", "└", floor);
  const std::string end = with_unit(history.duration(), "ns");
  text += line("", " ", fmt::format("0 s{:>{}}", end, columns - 3));
  text += line("", " ",
               fmt::format("{} on the device  {} evicted  {} budget{}", kDevice, kEvicted, kBudget,
                           scale.ruler ? ""
                           : budget    ? ": far above"
                                       : ": not told"));
  return text;
}

}  // namespace spillway::tools
