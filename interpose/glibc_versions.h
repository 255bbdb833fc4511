// SPDX-License-Identifier: Apache-2.0
// Version names of glibc's dlsym: before 2.34 it was in libdl, under the architecture's first one.
// Read by C++, by the assembler and by the preprocessor that writes the version script.
#pragma once

#define SPILLWAY_GLIBC_NEW "GLIBC_2.34"
#if defined(__x86_64__)
#define SPILLWAY_GLIBC_OLD "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define SPILLWAY_GLIBC_OLD "GLIBC_2.17"
#else
#error "glibc_versions.h knows x86-64 and aarch64"
#endif
