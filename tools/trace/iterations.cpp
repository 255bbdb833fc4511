// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/iterations.h"

#include <unordered_set>

namespace spillway::tools {
namespace {

constexpr double kOfAllLaunches = 0.8;  // must be in iterations that are exactly alike
constexpr double kOfIterations = 0.8;   // must be exactly alike
constexpr double kOfKernels = 0.95;     // of all launches, by kernels that an iteration contains
constexpr size_t kFewest = 3;           // that are alike
constexpr size_t kFewestKernels = 2;    // in one: the same kernel again and again is no iteration

// Hashes of any part of a sequence, from those of its beginnings.
class Sequence {
 public:
  explicit Sequence(const std::vector<Mark>& marks) : hashes_(marks.size() + 1), powers_(hashes_) {
    powers_[0] = 1;
    for (size_t i = 0; i < marks.size(); ++i) {
      // Bits of an address are not evenly used: mixed first.
      uint64_t word = std::hash<const void*>{}(marks[i].kernel) * 0x9e3779b97f4a7c15;
      word ^= word >> 32;
      hashes_[i + 1] = hashes_[i] * kBase + word;
      powers_[i + 1] = powers_[i] * kBase;
    }
  }
  uint64_t hash(size_t from, size_t to) const {
    return hashes_[to] - hashes_[from] * powers_[to - from];
  }

 private:
  static constexpr uint64_t kBase = 0xda942042e4dd58b5;
  std::vector<uint64_t> hashes_, powers_;
};

struct Usual {  // what most parts between two launches of a kernel look like
  size_t from = 0, length = 0, times = 0;
};

Usual usual_part(const Sequence& sequence, const std::vector<size_t>& places) {
  std::unordered_map<uint64_t, Usual> parts;
  Usual most;
  for (size_t i = 0; i + 1 < places.size(); ++i) {
    Usual& part = parts[sequence.hash(places[i], places[i + 1])];
    part = {places[i], places[i + 1] - places[i], part.times + 1};
    if (part.times * part.length > most.times * most.length) most = part;
  }
  return most;
}

const History::Thread* busiest(const History& history) {
  const History::Thread* busiest = nullptr;
  for (const auto& [slot, thread] : history.threads)
    if (!busiest || thread.launches > busiest->launches) busiest = &thread;
  return busiest;
}

}  // namespace

std::vector<Iteration> iterations_of(const History& history) {
  const History::Thread* const thread = busiest(history);
  if (!thread || static_cast<double>(thread->launches) <
                     kOfAllLaunches * static_cast<double>(history.launches))
    return {};
  const std::vector<Mark>& marks = thread->marks;
  const auto all = static_cast<double>(marks.size());
  const Sequence sequence(marks);
  std::unordered_map<const Kernel*, std::vector<size_t>> places;
  for (size_t i = 0; i < marks.size(); ++i) places[marks[i].kernel].push_back(i);

  // Layers repeat within an iteration, and iterations within an epoch: it is the shortest part that
  // has all kernels in it.
  const std::vector<size_t>* chosen = nullptr;
  Usual usual;
  for (const auto& [kernel, where] : places) {
    const Usual part = usual_part(sequence, where);
    if (part.times < kFewest ||
        static_cast<double>(part.times) < kOfIterations * static_cast<double>(where.size() - 1) ||
        static_cast<double>(part.times * part.length) < kOfAllLaunches * all)
      continue;
    if (chosen && (usual.length < part.length ||
                   (usual.length == part.length && chosen->front() < where.front())))
      continue;
    std::unordered_set<const Kernel*> within;
    size_t launches = 0;
    for (size_t i = part.from; i < part.from + part.length; ++i)
      if (within.insert(marks[i].kernel).second) launches += places[marks[i].kernel].size();
    if (within.size() < kFewestKernels || static_cast<double>(launches) < kOfKernels * all)
      continue;
    chosen = &where;
    usual = part;
  }
  std::vector<Iteration> iterations;
  if (!chosen) return iterations;
  const uint64_t alike = sequence.hash(usual.from, usual.from + usual.length);
  for (size_t i = 0; i + 1 < chosen->size(); ++i) {
    const Mark &begin = marks[(*chosen)[i]], &end = marks[(*chosen)[i + 1]];
    iterations.push_back({begin.time, end.time, end.waited - begin.waited,
                          (*chosen)[i + 1] - (*chosen)[i],
                          sequence.hash((*chosen)[i], (*chosen)[i + 1]) == alike});
  }
  return iterations;
}

}  // namespace spillway::tools
