// SPDX-License-Identifier: Apache-2.0
// A thread of ours in somebody's process: the application's signals are not for it, and nobody
// joins it.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace spillway {

// False: the system refuses.
template <class Work>
bool start_thread(Work&& work) noexcept {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread(std::forward<Work>(work)).detach();
  } catch (...) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace spillway
