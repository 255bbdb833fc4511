// SPDX-License-Identifier: Apache-2.0
// cuGetErrorName, cuGetErrorString.
#include "tests/sim/driver/errors.h"

#include <charconv>

#include "tests/sim/driver/api.h"

namespace sim {

// No default: a CUresult of a newer toolkit that errors.def lacks does not compile.
const char* error_name(CUresult error) {
  switch (error) {
#define ERROR(symbol, text) \
  case symbol:              \
    return #symbol;
#include "tests/sim/driver/errors.def"
#undef ERROR
  }
  return nullptr;
}

const char* error_text(CUresult error) {
  switch (error) {
#define ERROR(symbol, text) \
  case symbol:              \
    return text;
#include "tests/sim/driver/errors.def"
#undef ERROR
  }
  return nullptr;
}

bool parse_error(std::string_view text, CUresult* out) {
#define ERROR(symbol, description) \
  if (text == #symbol) {           \
    *out = symbol;                 \
    return true;                   \
  }
#include "tests/sim/driver/errors.def"
#undef ERROR
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return false;
  *out = static_cast<CUresult>(number);
  return error_name(*out) != nullptr;
}

}  // namespace sim

SIM_API cuGetErrorName(CUresult error, const char** out) {
  SIM_ENTER_ALWAYS(cuGetErrorName);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = sim::error_name(error);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuGetErrorString(CUresult error, const char** out) {
  SIM_ENTER_ALWAYS(cuGetErrorString);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = sim::error_text(error);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
