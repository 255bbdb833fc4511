// SPDX-License-Identifier: Apache-2.0
// How often this process holds each device's primary context, to recognise the last release.
#pragma once

namespace spillway {

void forget_primary_contexts() noexcept;  // in a forked child

}  // namespace spillway
