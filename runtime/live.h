// SPDX-License-Identifier: Apache-2.0
// The job's live page (trace/live_page.h): made when the engine starts, refreshed when ranges are
// made, end or move, at most some twenty times a second, and gone at exit. What a killed process
// leaves is removed by `spillway top`.
#pragma once

namespace spillway {

class Engine;

void begin_live_page(Engine& engine) noexcept;
void refresh_live_page(Engine& engine) noexcept;
void end_live_page() noexcept;
// In a forked child: the page is the parent's.
void forget_live_page() noexcept;

}  // namespace spillway
