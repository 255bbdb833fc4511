// SPDX-License-Identifier: Apache-2.0
// Characters of a PTX text to words.
#include "tests/sim/ptx/lexer.h"

#include <fmt/format.h>

#include <bit>
#include <cctype>
#include <charconv>
#include <cstdlib>

namespace sim::ptx {
namespace {

bool name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}
bool name_rest(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

}  // namespace

void Lexer::space() {
  for (;;) {
    char c = now();
    if (c == '\n') ++line_;
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at_;
    } else if (c == '/' && now(1) == '/') {
      while (now() && now() != '\n') ++at_;
    } else if (c == '/' && now(1) == '*') {
      at_ += 2;
      while (now() && !(now() == '*' && now(1) == '/')) {
        if (now() == '\n') ++line_;
        ++at_;
      }
      if (!now()) fail("comment without end");
      at_ += 2;
    } else {
      return;
    }
  }
}

char Lexer::peek() {
  space();
  return now();
}

bool Lexer::take(char c) {
  if (peek() != c) return false;
  ++at_;
  return true;
}

void Lexer::expect(char c) {
  char found = peek();
  if (found != c)
    fail(found ? fmt::format("expected '{}', found '{}'", c, found)
               : fmt::format("expected '{}', found the end", c));
  ++at_;
}

bool Lexer::take_word(std::string_view word) {
  space();
  if (text_.substr(at_, word.size()) != word || name_rest(now(word.size()))) return false;
  at_ += word.size();
  return true;
}

bool Lexer::at_word() const {
  return name_start(now());
}

std::string_view Lexer::word() {
  if (!name_start(peek())) fail("expected a name");
  size_t start = at_++;
  while (name_rest(now())) ++at_;
  return text_.substr(start, at_ - start);
}

std::string_view Lexer::directive() {
  if (peek() != '.') fail("expected a directive");
  size_t start = at_++;
  while (name_rest(now())) ++at_;
  return text_.substr(start, at_ - start);
}

std::string_view Lexer::opcode() {
  if (!name_start(peek())) fail("expected an instruction");
  size_t start = at_;
  while (name_rest(now()) || now() == '.' || (now() == ':' && now(1) == ':')) {
    at_ += now() == ':' ? 2 : 1;
  }
  return text_.substr(start, at_ - start);
}

std::string_view Lexer::string() {
  expect('"');
  size_t start = at_;
  while (now() && now() != '"') {
    if (now() == '\\' && now(1)) ++at_;
    if (now() == '\n') ++line_;
    ++at_;
  }
  if (!now()) fail("string without end");
  ++at_;
  return text_.substr(start, at_ - 1 - start);
}

bool Lexer::at_number() {
  char c = peek();
  return std::isdigit(static_cast<unsigned char>(c)) ||
         ((c == '-' || c == '+' || c == '~') && std::isdigit(static_cast<unsigned char>(now(1)))) ||
         (c == '.' && std::isdigit(static_cast<unsigned char>(now(1))));
}

Number Lexer::number() {
  char sign = peek();
  if (sign == '-' || sign == '+' || sign == '~') {
    ++at_;
  } else {
    sign = '+';
  }
  space();
  Number n;
  char kind = static_cast<char>(std::tolower(now(1)));
  const char* begin = text_.data() + at_;
  const char* end = text_.data() + text_.size();
  if (now() == '0' && (kind == 'f' || kind == 'd')) {
    n.real = true;
    n.single = kind == 'f';
    auto [stop, error] = std::from_chars(begin + 2, end, n.value, 16);
    if (error != std::errc() || stop != begin + (n.single ? 10 : 18)) fail("bad float constant");
    at_ += stop - begin;
    if (sign == '-') n.value ^= n.single ? 1ull << 31 : 1ull << 63;
    return n;
  }
  int radix = 10;
  size_t prefix = 0;
  if (now() == '0' && (kind == 'x' || kind == 'b')) {
    radix = kind == 'x' ? 16 : 2;
    prefix = 2;
  }
  auto [stop, error] = std::from_chars(begin + prefix, end, n.value, radix);
  if (radix == 10 && stop != end && (*stop == '.' || *stop == 'e' || *stop == 'E')) {
    double value = 0;
    auto [last, bad] = std::from_chars(begin, end, value);
    if (bad != std::errc()) fail("bad number");
    at_ += last - begin;
    n.real = true;
    n.value = std::bit_cast<uint64_t>(sign == '-' ? -value : value);
    return n;
  }
  if (error != std::errc()) fail("bad number");
  if (radix == 10 && now() == '0' && stop - begin > 1) {  // a leading 0 means octal
    auto [last, bad] = std::from_chars(begin, end, n.value, 8);
    if (bad != std::errc() || last != stop) fail("bad octal number");
  }
  at_ += stop - begin;
  if (now() == 'U' || now() == 'u') ++at_;
  if (sign == '-') n.value = 0 - n.value;
  if (sign == '~') n.value = ~n.value;
  return n;
}

uint64_t Lexer::integer() {
  if (!at_number()) fail("expected a number");
  Number n = number();
  if (n.real) fail("expected an integer");
  return n.value;
}

void Lexer::skip_line() {
  while (now() && now() != '\n') ++at_;
}

void Lexer::skip_block() {
  expect('{');
  for (int depth = 1; depth;) {
    char c = peek();
    if (!c) fail("block without end");
    if (c == '"') {
      string();
      continue;
    }
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    ++at_;
  }
}

std::string_view Lexer::skip_statement() {
  size_t start = at_;
  while (char c = peek()) {
    if (c == '"') {
      string();
      continue;
    }
    ++at_;
    if (c == ';') return text_.substr(start, at_ - 1 - start);
  }
  fail("statement without ';'");
}

}  // namespace sim::ptx
