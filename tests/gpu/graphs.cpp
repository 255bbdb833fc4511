// SPDX-License-Identifier: Apache-2.0
// Captured graphs whose memory is remapped between replays: still right, and still fast?
#include <fmt/format.h>

#include <functional>

#include "tests/gpu/probe.h"

namespace probe {
namespace {

enum class Node { Kernel, Memset, Memcpy };
constexpr Node kNodes[] = {Node::Kernel, Node::Memset, Node::Memcpy};

const char* name_of(Node node) {
  switch (node) {
    case Node::Kernel:
      return "kernel";
    case Node::Memset:
      return "memset";
    case Node::Memcpy:
      return "memcpy";
  }
  __builtin_unreachable();
}

// Two ranges that a graph works on: nodes read the first and write the second.
struct Ranges {
  Range from, to;
  size_t bytes;
  explicit Ranges(size_t bytes) : from(bytes), to(bytes), bytes(bytes) {}
};

void record(const Gpu& gpu, Node node, const Ranges& ranges, CUstream stream) {
  switch (node) {
    case Node::Kernel:
      gpu.kernels().add.launch(gpu.blocks(), 256, stream, ranges.from.at(),
                               uint64_t{ranges.bytes / 8}, uint64_t{1});
      gpu.fill(ranges.to.at(), ranges.bytes, 5, stream);
      return;
    case Node::Memset:
      cu().cuMemsetD8Async(ranges.to.at(), 0x5A, ranges.bytes, stream);
      return;
    case Node::Memcpy:
      cu().cuMemcpyDtoDAsync(ranges.to.at(), ranges.from.at(), ranges.bytes, stream);
      return;
  }
  __builtin_unreachable();
}

// Words of the second range that are not what `replays` of the node leave there.
uint64_t wrong_words(const Gpu& gpu, Node node, const Ranges& ranges, uint64_t seed, int replays) {
  switch (node) {
    case Node::Kernel: {
      // from[i] must be pattern + replays: every replay must have reached the mapped memory.
      std::vector<uint64_t> words(ranges.bytes / 8);
      cu().cuMemcpyDtoH(words.data(), ranges.from.at(), ranges.bytes);
      uint64_t wrong = gpu.mismatches(ranges.to.at(), ranges.bytes, 5);
      for (size_t i = 0; i < words.size(); ++i)
        wrong += words[i] != pattern(seed, i) + static_cast<uint64_t>(replays);
      return wrong;
    }
    case Node::Memset: {
      std::vector<uint64_t> words(ranges.bytes / 8);
      cu().cuMemcpyDtoH(words.data(), ranges.to.at(), ranges.bytes);
      uint64_t wrong = 0;
      for (uint64_t word : words) wrong += word != 0x5A5A5A5A5A5A5A5Aull;
      return wrong;
    }
    case Node::Memcpy:
      return gpu.mismatches(ranges.to.at(), ranges.bytes, seed);
  }
  __builtin_unreachable();
}

}  // namespace

Verdict graph_remap(Gpu& gpu, Report& report) {
  constexpr int kReplays = 10;
  size_t bytes = gpu.bytes(16 * kMiB);
  bool host_works = gpu.supports(Place::HostNuma);
  // What backs the two ranges, one row after the other, under one instantiated graph.
  struct Move {
    const char* name;
    Place from, to;
  };
  std::vector<Move> moves = {{"captured on", Place::Device, Place::Device},
                             {"device to device", Place::Device, Place::Device}};
  if (host_works) {
    moves.push_back({"source to host", Place::HostNuma, Place::Device});
    moves.push_back({"target to host", Place::Device, Place::HostNuma});
    moves.push_back({"both to host", Place::HostNuma, Place::HostNuma});
    moves.push_back({"back to device", Place::Device, Place::Device});
  }
  std::string text;
  bool kernel_ok = true, copy_ok = true;
  for (Node node : kNodes) {
    text += fmt::format("{}{} nodes:", text.empty() ? "" : "; ", name_of(node));
    try {
      Ranges ranges(bytes);
      Stream stream;
      std::unique_ptr<Graph> graph;
      std::vector<Chunk> chunks;  // kept to the end, so that no move gets the same chunk again
      uint64_t seed = 1;
      for (const Move& move : moves) {
        chunks.emplace_back(gpu, move.from, bytes);
        ranges.from.map(gpu, chunks.back(), bytes);
        chunks.emplace_back(gpu, move.to, bytes);
        ranges.to.map(gpu, chunks.back(), bytes);
        gpu.fill(ranges.from.at(), bytes, ++seed, stream);
        gpu.fill(ranges.to.at(), bytes, 999, stream);
        if (!graph)
          graph = std::make_unique<Graph>(
              [&](CUstream capturing) { record(gpu, node, ranges, capturing); });
        std::vector<double> ms;
        Stopwatch watch;
        for (int i = 0; i < kReplays; ++i) {
          watch.start(stream);
          cu().cuGraphLaunch(*graph, stream);
          watch.stop(stream);
          ms.push_back(watch.ms());
        }
        uint64_t wrong = wrong_words(gpu, node, ranges, seed, kReplays);
        json where{{"node", name_of(node)}, {"backing", move.name}, {"bytes", bytes}};
        double median = report.sample("replay", "ms", ms, where).median;
        report.fact(fmt::format("wrong_words, {} nodes, {}", name_of(node), move.name), wrong);
        text += fmt::format(" {} {} ({:.3f} ms),", move.name, wrong ? "WRONG" : "right", median);
        if (wrong) (node == Node::Kernel ? kernel_ok : copy_ok) = false;
        ranges.from.unmap(bytes);
        ranges.to.unmap(bytes);
      }
      text.pop_back();
    } catch (const CudaError& error) {
      // Said, and the next kind of node still tried: only a fault spoils the context for it.
      report.fact(fmt::format("error, {} nodes", name_of(node)), error.what());
      text += fmt::format(" {}", error.what());
      (node == Node::Kernel ? kernel_ok : copy_ok) = false;
    }
  }
  return {text,
          std::string(kernel_ok ? "Kernel nodes survive remaps"
                                : "Graphs pin every range that they name") +
              (copy_ok ? "; copy and set nodes too: pinning them is caution (they may be slow)."
                       : "; ranges named by copy or set nodes must stay on the device.")};
}

}  // namespace probe
