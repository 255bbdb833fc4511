// SPDX-License-Identifier: Apache-2.0
// Shared between the two halves of the parser.
#pragma once

#include <optional>
#include <vector>

#include "tests/sim/ptx/lexer.h"
#include "tests/sim/ptx/source.h"

namespace sim::ptx {

std::optional<Space> find_space(std::string_view word);     // ".shared" and so on
VariableText parse_variable_head(Lexer& lex, Space space);  // up to the name
void parse_variable_rest(Lexer& lex, VariableText* v);      // after the name
std::vector<VariableText> parse_params(Lexer& lex);         // with both parentheses
void parse_body(Lexer& lex, FunctionText* function);        // from { to }

}  // namespace sim::ptx
