// SPDX-License-Identifier: Apache-2.0
#include "policy/workload_text.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <istream>
#include <ostream>
#include <string_view>
#include <unordered_map>

#include "policy/workload_words.h"

namespace spillway::policy {
namespace {

constexpr std::string_view kFormat = "spillway-workload", kVersion = "1";

struct ModeName {
  std::string_view name;
  Mode mode;
};
constexpr auto kModes =
    std::to_array<ModeName>({{"r", Mode::Read}, {"w", Mode::Write}, {"rw", Mode::ReadWrite}});

template <class... Parts>
[[noreturn]] void complain(size_t line, const Parts&... parts) {
  std::string what;
  (what.append(parts), ...);
  throw WorkloadTextError(line, what);
}

// The lines of a stream, which are read in blocks and end with the last, newline or not.
class Lines {
 public:
  Lines(std::istream& from, size_t longest)
      : from_(from), longest_(longest), block_(longest + kBlock) {}

  bool next(std::string_view* line) {
    number_++;
    for (size_t seen = begin_;;) {
      const void* found = std::memchr(block_.data() + seen, '\n', end_ - seen);
      const size_t end =
          found ? static_cast<size_t>(static_cast<const char*>(found) - block_.data()) : end_;
      if (end - begin_ > longest_)
        complain(number_, "more than ", std::to_string(longest_), " bytes: a line must be shorter");
      if (found || (end > begin_ && ended_)) {
        *line = {block_.data() + begin_, end - begin_};
        begin_ = found ? end + 1 : end;
        return true;
      }
      if (ended_) return false;
      seen = end_ - begin_;
      fill();
    }
  }
  size_t number() const { return number_; }

 private:
  static constexpr size_t kBlock = 1 << 16;

  void fill() {
    std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    from_.read(block_.data() + end_, static_cast<std::streamsize>(block_.size() - end_));
    end_ += static_cast<size_t>(from_.gcount());
    ended_ = !from_;
    if (from_.bad()) complain(number_, "cannot be read");
  }

  std::istream& from_;
  const size_t longest_;
  std::vector<char> block_;
  size_t begin_ = 0, end_ = 0;  // of what was read and is not yet given out
  size_t number_ = 0;
  bool ended_ = false;
};

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <class Value>
using ByName = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

class Reader {
 public:
  Reader(std::istream& from, const WorkloadTextLimits& limits)
      : limits_(limits), lines_(from, limits.line_bytes) {}

  Workload read() {
    std::string_view line;
    if (!lines_.next(&line)) fail("nothing there: the first line must be '", header(), "'");
    read_header(line);
    while (lines_.next(&rest_)) {
      const std::string_view verb = next_word();
      if (verb.empty()) continue;
      if (work_.events.size() >= limits_.events)
        fail("more than ", std::to_string(limits_.events), " events: that is too many");
      if (verb == "kernel") {
        read_kernel();
      } else if (verb == "alloc") {
        read_allocation();
      } else if (verb == "free") {
        read_free();
      } else if (verb == "iteration") {
        work_.events.push_back({.kind = Event::Kind::Iteration});
      } else {
        fail(quoted(verb), ": a line begins with alloc, free, kernel, iteration or #");
      }
      if (const std::string_view word = next_word(); !word.empty())
        fail(quoted(word), ": nothing may follow here");
    }
    return std::move(work_);
  }

 private:
  struct Buffer {
    uint32_t number = 0;
    size_t freed = 0;   // the line; 0: it is there
    size_t kernel = 0;  // the line of the last that uses it
  };

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    complain(lines_.number(), parts...);
  }
  static std::string header() { return std::string(kFormat).append(" ").append(kVersion); }

  void read_header(std::string_view line) {
    rest_ = line;
    const std::string_view format = next_word(), version = next_word();
    if (format != kFormat) fail(quoted(line), ": the first line must be '", header(), "'");
    if (version != kVersion) fail("version ", quoted(version), ": this reads version ", kVersion);
    if (const std::string_view name = next_word(); !name.empty()) work_.name = plain(name);
    if (const std::string_view word = next_word(); !word.empty())
      fail(quoted(word), ": nothing may follow the name of the workload");
  }

  // Empty: the line, or what is not a comment of it, is over.
  std::string_view next_word() {
    const auto is_space = [](char letter) {
      return letter == ' ' || letter == '\t' || letter == '\r';
    };
    const char *at = rest_.data(), *const end = at + rest_.size();
    while (at != end && is_space(*at)) ++at;
    const char* const begin = at;
    while (at != end && static_cast<unsigned char>(*at) > ' ' && *at != 0x7f) ++at;
    rest_ = {at, static_cast<size_t>(end - at)};
    if (begin != end && *begin == '#') return rest_ = {};
    if (at != end && !is_space(*at))
      fail("a control character, of code ", std::to_string(static_cast<unsigned char>(*at)),
           ": names have % and two hexadecimal digits for it");
    return {begin, static_cast<size_t>(at - begin)};
  }
  std::string_view word(const char* what) {
    const std::string_view word = next_word();
    if (word.empty()) fail("the line ends, and ", what, " must follow");
    return word;
  }
  const std::string& plain(std::string_view word) {
    if (!unescape(word, &name_))
      fail(quoted(word), ": after % there are two hexadecimal digits, as in %20");
    return name_;
  }

  void read_allocation() {
    const std::string_view name = word("a name");
    const std::string_view size = word("a size");
    uint64_t bytes = 0;
    if (!size_of(size, &bytes)) fail(quoted(size), " is no size: ", kSizeSyntax, ", as in 1.5GiB");
    if (!bytes || bytes > limits_.buffer_bytes)
      fail(quoted(size), " is no size: it must be above 0, and at most ",
           text_of_size(limits_.buffer_bytes));
    if (bytes > limits_.live_bytes - live_bytes_)
      fail("more than ", text_of_size(limits_.live_bytes), " allocated at once: that is too much");
    live_bytes_ += bytes;
    auto found = buffers_.find(name);
    if (found == buffers_.end()) {
      found = buffers_.emplace(std::string(name), Buffer()).first;
    } else if (!found->second.freed) {
      fail(quoted(name), " is allocated already: it must be freed first");
    }
    found->second = {.number = static_cast<uint32_t>(work_.buffers.size())};
    work_.events.push_back({.kind = Event::Kind::Allocate, .buffer = found->second.number});
    work_.buffers.push_back(bytes);
  }

  void read_free() {
    Buffer& buffer = there(word("a name"));
    work_.events.push_back({.kind = Event::Kind::Free, .buffer = buffer.number});
    live_bytes_ -= work_.buffers[buffer.number];
    buffer.freed = lines_.number();
  }

  void read_kernel() {
    const uint32_t name = kernel(word("a name"));
    const std::string_view duration = word("a duration");
    Event event{.kind = Event::Kind::Kernel,
                .name = name,
                .first = static_cast<uint32_t>(work_.uses.size())};
    if (!duration_of(duration, &event.ns))
      fail(quoted(duration), " is no duration: a number of ns, us or ms, as in 12.5us");
    if (event.ns > limits_.ns - ns_)
      fail("kernels of more than ", text_of_duration(limits_.ns), " together: that is too much");
    ns_ += event.ns;
    for (std::string_view use; !(use = next_word()).empty(); event.count++) read_use(use);
    work_.events.push_back(event);
  }

  void read_use(std::string_view word) {
    const size_t colon = word.rfind(':');
    const auto mode = colon == std::string_view::npos
                          ? kModes.end()
                          : std::ranges::find(kModes, word.substr(colon + 1), &ModeName::name);
    if (mode == kModes.end())
      fail(quoted(word), ": a buffer is followed by :r, :w or :rw, as in x:rw");
    Buffer& buffer = there(word.substr(0, colon));
    if (buffer.kernel == lines_.number())
      fail(quoted(word),
           ": the kernel has this buffer already; one that is read and written is :rw");
    buffer.kernel = lines_.number();
    if (work_.uses.size() >= limits_.uses)
      fail("more than ", std::to_string(limits_.uses), " uses: that is too many");
    work_.uses.push_back({buffer.number, mode->mode});
  }

  Buffer& there(std::string_view name) {
    const auto found = buffers_.find(name);
    if (found == buffers_.end())
      fail(quoted(name), " is not allocated: a line 'alloc NAME SIZE' must come first");
    if (found->second.freed)
      fail(quoted(name), " was freed in line ", std::to_string(found->second.freed),
           ": it must be allocated again first");
    return found->second;
  }

  uint32_t kernel(std::string_view word) {
    const auto found = kernels_.find(word);
    if (found != kernels_.end()) return found->second;
    // Two words may stand for one name: there is more than one way to write it.
    const std::string& name = plain(word);
    const auto number = static_cast<uint32_t>(work_.names.size());
    const auto [place, added] = names_.emplace(name, number);
    if (added) work_.names.push_back(name);
    kernels_.emplace(std::string(word), place->second);
    return place->second;
  }

  const WorkloadTextLimits limits_;
  Lines lines_;
  std::string_view rest_;  // of the line
  Workload work_;
  uint64_t live_bytes_ = 0, ns_ = 0;
  ByName<Buffer> buffers_;
  ByName<uint32_t> kernels_, names_;  // as they are written, and as they are meant
  std::string name_;
};

}  // namespace

Workload read_workload_text(std::istream& from, const WorkloadTextLimits& limits) {
  return Reader(from, limits).read();
}

void write_workload_text(const Workload& workload, std::ostream& to) {
  std::vector<std::string> names;
  for (const std::string& name : workload.names) names.push_back(escaped(name));
  to << kFormat << ' ' << kVersion;
  if (!workload.name.empty()) to << ' ' << escaped(workload.name);
  to << '\n';
  for (const Event& event : workload.events) {
    switch (event.kind) {
      case Event::Kind::Allocate:
        to << "alloc " << std::to_string(event.buffer) << ' '
           << text_of_size(workload.buffers[event.buffer]);
        break;
      case Event::Kind::Free:
        to << "free " << std::to_string(event.buffer);
        break;
      case Event::Kind::Kernel:
        to << "kernel " << names[event.name] << ' ' << text_of_duration(event.ns);
        for (const Use& use : workload.uses_of(event))
          to << ' ' << std::to_string(use.buffer) << ':'
             << std::ranges::find(kModes, use.mode, &ModeName::mode)->name;
        break;
      case Event::Kind::Iteration:
        to << "iteration";
        break;
    }
    to << '\n';
  }
}

}  // namespace spillway::policy
