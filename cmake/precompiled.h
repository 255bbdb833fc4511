// SPDX-License-Identifier: Apache-2.0
// Parsed once for all sources of the product and of the simulator (see cmake/precompiled.cmake).
// Sources still include what they use: they must compile without it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>
