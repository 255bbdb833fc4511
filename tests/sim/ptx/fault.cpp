// SPDX-License-Identifier: Apache-2.0
// The guarded call: a signal handler that jumps out of device work, and of nothing else.
#include "tests/sim/ptx/fault.h"

#include <ucontext.h>

#include <csetjmp>
#include <csignal>
#include <mutex>

#include "tests/sim/ptx/device_access.h"

namespace sim {
namespace {

struct Guard {
  sigjmp_buf leave;
  uint64_t address = 0;
};
// Initial-exec: the handler must not allocate thread-local storage on first use.
__attribute__((tls_model("initial-exec"))) thread_local Guard* armed = nullptr;

struct sigaction before_segv, before_bus;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (Guard* guard = armed) {
    guard->address = reinterpret_cast<uint64_t>(info->si_addr);
    // Saving the mask in each sigsetjmp would cost a system call; the kernel has it here. (Under
    // the thread sanitizer the handler runs with every signal blocked.)
    pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t*>(context)->uc_sigmask, nullptr);
    DeviceAccess::leaving_handler();
    siglongjmp(guard->leave, 1);
  }
  const struct sigaction& before = signal == SIGSEGV ? before_segv : before_bus;
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    // Not ours: put back what was there; the instruction faults again when this handler returns.
    sigaction(signal, &before, nullptr);
  } else {
    before.sa_handler(signal);
  }
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &before_segv);
  sigaction(SIGBUS, &action, &before_bus);
}

}  // namespace

bool run_guarded(void (*body)(void*), void* argument, uint64_t* address) {
  static std::once_flag once;
  std::call_once(once, install);
  Guard guard;
  Guard* const outer = armed;
  if (sigsetjmp(guard.leave, 0) == 0) {
    armed = &guard;
    body(argument);
    armed = outer;
    return true;
  }
  armed = outer;
  *address = guard.address;
  return false;
}

void leave_guarded(uint64_t address) {
  armed->address = address;
  siglongjmp(armed->leave, 1);
}

}  // namespace sim
