// SPDX-License-Identifier: Apache-2.0
#include "runtime/limit_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/bytes.h"
#include "runtime/log.h"
#include "runtime/tell.h"

namespace spillway {

bool refresh_limit(Engine& engine, Device& device) noexcept {
  if (engine.config.limit_file.empty()) return false;
  try {
    const int file = open(engine.config.limit_file.expanded().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;  // not there yet, or being replaced
    char text[64];
    const ssize_t got = read(file, text, sizeof(text));
    close(file);
    std::string_view said(text, static_cast<size_t>(std::max<ssize_t>(got, 0)));
    while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.remove_suffix(1);
    if (said.empty() || said == device.limit_text) return false;
    device.limit_text = said;
    Limit wanted;
    if (!parse(said, wanted)) {
      log(LogLevel::Warn, "SPILLWAY_LIMIT_FILE says '{}', which is not {}; {} stays", said,
          syntax(wanted), format_bytes(device.limit.load()));
      return false;
    }
    const uint64_t limit = std::min<uint64_t>(wanted.of(device.total), device.total);
    if (limit == device.limit.exchange(limit)) return false;
    tell_budget(engine, device);
    log(LogLevel::Info, "device {} may hold {} from now on", device.ordinal, format_bytes(limit));
    return true;
  } catch (...) {  // no memory for a string: next time
    return false;
  }
}

}  // namespace spillway
