// SPDX-License-Identifier: Apache-2.0
// Characters of a PTX text to words; counts lines. Errors are thrown and stay inside parse().
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sim::ptx {

struct SyntaxError : std::runtime_error {
  SyntaxError(unsigned line, const std::string& what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

struct Number {
  uint64_t value = 0;
  bool real = false;
  bool single = false;  // value holds the bits of a float, else of a double
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  char peek();        // next character after white space and comments; 0 at the end
  bool take(char c);  // eats c when it is next
  void expect(char c);
  bool take_word(std::string_view word);  // a whole word, `.reg` and `@@DWARF` included
  bool at_word() const;                   // the next character (after peek) starts a name
  std::string_view word();                // a name: letters, digits, _ $ % and inner dots of none
  std::string_view directive();           // .name, with its dot
  std::string_view opcode();              // name.with.dots::and::colons
  std::string_view string();              // "..." without its quotes
  bool at_number();
  Number number();
  uint64_t integer();
  void skip_line();
  void skip_block();                  // from { to its }
  std::string_view skip_statement();  // up to the ; which is eaten

  unsigned line() const { return line_; }
  size_t position() const { return at_; }
  std::string_view from(size_t start) const { return text_.substr(start, at_ - start); }
  [[noreturn]] void fail(const std::string& what) const { throw SyntaxError(line_, what); }

 private:
  char now(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void space();

  std::string_view text_;
  size_t at_ = 0;
  unsigned line_ = 1;
};

}  // namespace sim::ptx
