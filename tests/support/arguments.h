// SPDX-License-Identifier: Apache-2.0
// The command lines of test programs, by CLI11, which is compiled here alone: it takes seven
// seconds in every source that uses it.
//
//   support::Arguments arguments("Runs the CUDA program that a seed stands for.");
//   arguments.add("--seed", seed, "Which program").required();
//   arguments.add("--jobs", jobs, "Programs at once").between(1, 64);
//   if (!arguments.parse(argc, argv)) return arguments.status();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace CLI {
class Option;
}

namespace support {

class Arguments {
 public:
  // What an option writes to: a switch (bool), a number or a text. Its value before parse() is the
  // default, which --help prints.
  using Value = std::variant<bool*, int*, unsigned*, uint64_t*, double*, std::string*>;

  class Option {
   public:
    Option& required();
    Option& between(int least, int most);
    Option& directory();  // that exists

   private:
    friend class Arguments;
    explicit Option(CLI::Option* option) : option_(option) {}
    CLI::Option* option_;
  };

  explicit Arguments(const std::string& description);
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  template <typename T>
  Option add(const char* name, T& value, const char* text) {
    return add_value(name, &value, text);
  }
  // One of a few words.
  template <typename T>
  Option add(const char* name, T& value, const char* text,
             std::vector<std::pair<std::string, T>> words) {
    std::vector<std::string> names;
    for (const auto& [word, meaning] : words) names.push_back(word);
    return add_choice(name, text, names, [&value, words = std::move(words)](size_t index) {
      value = words[index].second;
    });
  }
  // So many options must be given.
  void need(size_t least, size_t most);

  // False when the program ends here, with status(): --help was answered, or the line was wrong and
  // standard error says why.
  [[nodiscard]] bool parse(int argc, char** argv);
  [[nodiscard]] int status() const { return status_; }

 private:
  Option add_value(const char* name, Value value, const char* text);
  Option add_choice(const char* name, const char* text, const std::vector<std::string>& words,
                    std::function<void(size_t)> choose);

  struct App;
  std::unique_ptr<App> app_;
  int status_ = 0;
};

}  // namespace support
