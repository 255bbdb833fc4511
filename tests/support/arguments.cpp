// SPDX-License-Identifier: Apache-2.0
#include "tests/support/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace support {

struct Arguments::App : CLI::App {
  using CLI::App::App;
};

Arguments::Option& Arguments::Option::required() {
  option_->required();
  return *this;
}

Arguments::Option& Arguments::Option::between(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Arguments::Option& Arguments::Option::directory() {
  option_->check(CLI::ExistingDirectory);
  return *this;
}

Arguments::Arguments(const std::string& description) : app_(new App(description)) {}
Arguments::~Arguments() = default;

Arguments::Option Arguments::add_value(const char* name, Value value, const char* text) {
  const auto add = [&](auto* target) -> CLI::Option* {
    if constexpr (std::is_same_v<decltype(target), bool*>) {
      return app_->add_flag(name, *target, text);
    } else {
      return app_->add_option(name, *target, text)->capture_default_str();
    }
  };
  return Option(std::visit(add, value));
}

Arguments::Option Arguments::add_choice(const char* name, const char* text,
                                        const std::vector<std::string>& words,
                                        std::function<void(size_t)> choose) {
  const auto take = [words, choose = std::move(choose)](const std::string& word) {
    choose(static_cast<size_t>(std::ranges::find(words, word) - words.begin()));
  };
  return Option(
      app_->add_option_function<std::string>(name, take, text)->check(CLI::IsMember(words)));
}

void Arguments::need(size_t least, size_t most) {
  app_->require_option(least, most);
}

bool Arguments::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
    return true;
  } catch (const CLI::ParseError& error) {
    status_ = app_->exit(error);
    return false;
  }
}

}  // namespace support
