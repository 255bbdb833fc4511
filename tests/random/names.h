// SPDX-License-Identifier: Apache-2.0
// The enumerations of a plan in words, in their order.
#pragma once

#include <cstddef>

namespace random_program {

inline constexpr const char* kSources[] = {"plain",    "async",  "pitch", "default pool",
                                           "own pool", "mapped", "graph"};
inline constexpr const char* kStreams[] = {"legacy", "blocking", "non-blocking", "per-thread"};
inline constexpr const char* kKernels[] = {
    "fill",           "blend",        "blend8",          "bundle",       "wide",
    "bytes",          "histogram",    "block_sums",      "rows",         "through_table",
    "through_global", "barrier_sums", "follow_list",     "packed4",      "packed1",
    "sample",         "surface",      "store_addresses", "link_nodes",   "store_global",
    "blend_tiles",    "dependent",    "decide",          "count_rounds", "count_down",
    "retune"};
inline constexpr const char* kDoors[] = {"kernel", "ex", "cooperative", "ex, cooperative"};
inline constexpr const char* kForms[] = {"copy",
                                         "generic copy",
                                         "peer copy",
                                         "copy of rows",
                                         "unaligned copy of rows",
                                         "copy of a volume",
                                         "peer copy of a volume",
                                         "batch of copies",
                                         "batch of boxes"};
inline constexpr const char* kBranches[] = {"if", "if, else", "switch", "while"};
inline constexpr const char* kWaits[] = {"stream", "event", "context", "stream by polling",
                                         "event by polling"};
inline constexpr const char* kQuestions[] = {"attributes", "address range", "memory info",
                                             "(and trim) pools"};

template <class Names, class Enum>
const char* name(const Names& names, Enum value) {
  return names[static_cast<size_t>(value)];
}

}  // namespace random_program
