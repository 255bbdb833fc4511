// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

// Most programs have the one context of one device; the others have a second context of it, a
// second device, or both.
void Generator::add_contexts() {
  plan_.contexts.push_back({0, true, false});
  if (random_.percent(35)) {
    const bool second_device = size_.devices > 1 && random_.percent(65);
    if (second_device) {
      plan_.devices = 2;
      plan_.peers = random_.percent(85);
      plan_.contexts.push_back({1, random_.percent(70), false});
    }
    if (!second_device || random_.percent(40)) {
      const int device = static_cast<int>(random_.below(static_cast<size_t>(plan_.devices)));
      plan_.contexts.push_back({device, false, random_.percent(60)});
    }
  }
  for (const Context& context : plan_.contexts) contexts_live_.push_back(!context.passing);
}

bool Generator::lives(int context) const {
  return contexts_live_[static_cast<size_t>(context)];
}

// The context of the next step: one in which this thread has a stream.
void Generator::enter_some_context() {
  std::vector<int> contexts;
  for (size_t i = 0; i < stream_owner_.size(); ++i) {
    if (stream_owner_[i] == thread_) contexts.push_back(plan_.streams[i].context);
  }
  here_ = random_.one_of(contexts);
  abroad_ = random_.percent(40);
}

// Memory that belongs to a context is not for the kernels of another one of the same device: a
// driver need not show it to them. What belongs to a device is.
bool Generator::reaches(int context, int buffer) const {
  const Buffer& one = plan_.buffers[buffer];
  if (one.context == context) return true;
  if (is_the_contexts(one.source)) return peers_.count({context, one.context}) != 0;
  if (plan_.contexts[context].device == plan_.contexts[one.context].device) return true;
  // The program opens those to all devices; the default pool it does not.
  return plan_.peers && is_the_drivers(one.source);
}

bool Generator::at_hand(int buffer) const {
  return (abroad_ || plan_.buffers[buffer].context == here_) && reaches(here_, buffer);
}

// Now and then, of two contexts of different devices.
void Generator::peer_access() {
  std::vector<std::pair<int, int>> pairs;
  for (int from = 0; from < static_cast<int>(plan_.contexts.size()); ++from) {
    for (int to = 0; to < static_cast<int>(plan_.contexts.size()); ++to) {
      if (lives(from) && lives(to) && plan_.contexts[from].device != plan_.contexts[to].device)
        pairs.push_back({from, to});
    }
  }
  if (pairs.empty() || !plan_.peers || !alone_) return;
  const auto pair = random_.one_of(pairs);
  const bool enable = peers_.count(pair) == 0;
  // Graphs that live may reach through it, and so may what is in flight.
  if (!enable && (!graphs_.empty() || random_.percent(60))) return;
  if (!enable) wait_for_all();
  emit(pair.first, PeerAccess{pair.first, pair.second, enable});
  if (enable) {
    peers_.insert(pair);
  } else {
    peers_.erase(pair);
  }
}

// Each side is reached from its own context, wherever the stream is.
void Generator::copy_between_contexts() {
  std::vector<int> targets, sources;
  for (int buffer : live_) {
    if (tables_.count(buffer) != 0 || plan_.buffers[buffer].source == Source::Pitch) continue;
    const int owner = owner_.at(buffer);
    if (owner == thread_) targets.push_back(buffer);
    if (owner == thread_ || owner == -1) sources.push_back(buffer);
  }
  if (targets.empty()) return;
  const int to = random_.one_of(targets);
  std::erase_if(sources,
                [&](int from) { return plan_.buffers[from].context == plan_.buffers[to].context; });
  if (sources.empty()) return;
  const int from = random_.one_of(sources);
  Copy copy;
  copy.to = part_of(to, 1, true);
  copy.from = part_of(from, 1, false);
  copy.to.bytes = copy.from.bytes = copy.width = std::min(copy.to.bytes, copy.from.bytes);
  copy.async = random_.percent(60);
  copy.form = CopyForm::Peer;
  // Without names only between ordinary allocations, which the driver gets from one to the other.
  const bool ordinary =
      plan_.buffers[to].source == Source::Plain && plan_.buffers[from].source == Source::Plain;
  if (ordinary && random_.percent(30)) {
    copy.form = random_.percent(50) ? CopyForm::Plain : CopyForm::Generic;
  } else if (copy.width > 64 * 1024 && random_.percent(30)) {
    shape_box(&copy, CopyForm::VolumePeer);
  }
  submit_copy(pick_stream(), copy);
}

// Once in the program's life, by the only thread that runs.
void Generator::make_context() {
  for (int context = 0; context < static_cast<int>(plan_.contexts.size()); ++context) {
    if (!plan_.contexts[context].passing || !alone_ || passed_) continue;
    passed_ = true;
    passing_ = context;
    contexts_live_[static_cast<size_t>(context)] = true;
    emit(0, MakeContext{context});
    for (size_t i = 0; i < plan_.streams.size(); ++i) {
      const Stream& stream = plan_.streams[i];
      if (stream.context == context)
        stream_owner_[i] = stream.kind == StreamKind::PerThread ? stream.thread : 0;
    }
  }
}

// With buffers in it that nobody has freed.
void Generator::drop_context() {
  if (!passing_ || !alone_) return;
  const int context = *passing_;
  const auto inside = [&](int buffer) { return plan_.buffers[buffer].context == context; };
  if (std::none_of(live_.begin(), live_.end(), inside)) return;
  for (int buffer : std::vector(live_)) {
    if (!inside(buffer)) continue;
    if (is_named(buffer) || tables_.count(buffer) != 0) return;
  }
  for (const auto& [graph, live] : std::map(graphs_)) {
    const std::vector<Access> touched = accesses(Work{live.made});
    const bool named = live.context == context ||
                       std::any_of(touched.begin(), touched.end(), [&](const Access& access) {
                         return access.space == Space::Device && inside(access.index);
                       });
    if (named) drop_graph(graph);
  }
  here_ = context;
  for (int buffer : std::vector(live_)) {
    if (inside(buffer) && !is_the_contexts(plan_.buffers[buffer].source)) release(buffer);
  }
  wait_for_all();
  for (int buffer : std::vector(live_)) {
    if (inside(buffer)) forget(buffer);
  }
  std::erase_if(peers_,
                [&](const auto& pair) { return pair.first == context || pair.second == context; });
  emit(0, DropContext{context});
  contexts_live_[static_cast<size_t>(context)] = false;
  for (size_t i = 0; i < plan_.streams.size(); ++i) {
    if (plan_.streams[i].context == context) stream_owner_[i] = -1;
  }
  passing_.reset();
}

}  // namespace random_program
