// SPDX-License-Identifier: Apache-2.0
// A thread of ours in somebody's process: the application's signals are not for it, nobody joins
// it, and tools show it by a name of ours.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace spillway {

// False: the system refuses. `name`: at most 15 characters.
template <class Work>
bool start_thread(const char* name, Work&& work) noexcept {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread thread(std::forward<Work>(work));
    pthread_setname_np(thread.native_handle(), name);
    thread.detach();
  } catch (...) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace spillway
