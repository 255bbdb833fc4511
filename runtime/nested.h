// SPDX-License-Identifier: Apache-2.0
// Tells the application's calls from those that our own work makes: Manager -> driver -> somebody
// who patched the driver (UCX) -> our exports. Those pass.
#pragma once

namespace spillway {

class Call {
 public:
  Call() noexcept : nested_(depth_++ != 0) {}
  ~Call() { --depth_; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  bool nested() const { return nested_; }

 private:
  // In static TLS: no call into the dynamic linker on the launch path.
  static inline constinit thread_local int depth_ __attribute__((tls_model("initial-exec"))) = 0;
  bool nested_;
};

}  // namespace spillway
