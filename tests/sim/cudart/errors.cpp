// SPDX-License-Identifier: Apache-2.0
// cudaGetLastError and kin, and the names of errors.
#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaGetLastError() {
  return take_last_error();
}
CUDART_EXPORT cudaError_t cudaPeekAtLastError() {
  return last_error();
}

CUDART_EXPORT const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define ERROR(name, text) \
  case name:              \
    return #name;
#include "tests/sim/cudart/errors.def"
#undef ERROR
  }
  return "unrecognized error code";
}

CUDART_EXPORT const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define ERROR(name, text) \
  case name:              \
    return text;
#include "tests/sim/cudart/errors.def"
#undef ERROR
  }
  return "unrecognized error code";
}
