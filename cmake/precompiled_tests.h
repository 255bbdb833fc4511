// SPDX-License-Identifier: Apache-2.0
// Parsed once for all test programs (see cmake/precompiled.cmake).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cmake/precompiled.h"
