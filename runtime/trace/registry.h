// SPDX-License-Identifier: Apache-2.0
// What is told of by number in every file: the names of things, and the rings of the threads. Both
// outlive the files.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/trace/ring.h"

namespace spillway::trace {

struct Registry {
  std::mutex mutex;
  std::map<std::pair<NameOf, std::string>, uint64_t, std::less<>> numbers;
  std::deque<std::pair<NameOf, std::string>> names;  // by number, from 1
  std::atomic<Ring*> rings{nullptr};
  uint64_t slots = 0;
};

Registry& registry();
// In a forked child, which makes its own: rings are memory that it shares with its parent.
void forget_registry() noexcept;

}  // namespace spillway::trace
