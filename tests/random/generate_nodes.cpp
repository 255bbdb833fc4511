// SPDX-License-Identifier: Apache-2.0
// Nodes beyond kernels, sets, copies and host functions. Left out, since the simulated GPU has none
// of it: programmatic edges, external semaphores, graphs launched from the device.
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

// A word that kernels read, or also count in.
std::optional<Access> Generator::pick_word(bool write) {
  std::vector<int> buffers = write ? own_buffers() : readable_buffers();
  keep_linear(&buffers, 64);
  if (buffers.empty()) return std::nullopt;
  const int buffer = random_.one_of(buffers);
  const size_t words = plan_.buffers[buffer].bytes / kWord;
  return Access{Space::Device, buffer, random_.below(words) * kWord, kWord, write};
}

std::optional<NodeWork> Generator::make_child() {
  MakeGraph inner;
  const size_t wanted = random_.between(1, 4);
  for (size_t i = 0; i < wanted; ++i) {
    if (const std::optional<NodeWork> work = make_node()) append(&inner, *work);
  }
  if (inner.nodes.empty()) return std::nullopt;
  return Child{inner.nodes};
}

namespace {

// The same steps from the `first` one on and around, with other scalars: what another body does.
std::vector<Node> varied(const std::vector<Node>& body, size_t first) {
  std::vector<Node> other;
  for (size_t i = 0; i < body.size(); ++i) {
    Node node{body[(first + i) % body.size()].work, {}, 0};
    if (i > 0) node.after.push_back(static_cast<int>(i) - 1);
    if (Launch* launch = std::get_if<Launch>(&node.work))
      launch->salt += static_cast<uint32_t>(first);
    if (Set* set = std::get_if<Set>(&node.work)) set->value += static_cast<uint32_t>(first);
    other.push_back(std::move(node));
  }
  return other;
}

}  // namespace

std::optional<NodeWork> Generator::make_conditional() {
  Conditional conditional;
  const bool loop = random_.percent(50);
  conditional.salt = static_cast<uint32_t>(random_.next());
  const auto word = pick_word(loop);
  if (!word) return std::nullopt;
  conditional.word = *word;
  std::vector<Node> body;
  const size_t wanted = random_.between(1, 3);
  for (size_t i = 0; i < wanted; ++i) {
    const std::optional<NodeWork> work = make_node();
    // No host functions in bodies; and nobody else counts.
    if (!work || std::holds_alternative<HostFunction>(*work)) continue;
    if (loop && conflict(accesses(*work), {conditional.word})) continue;
    Node node{*work, {}, 0};
    if (!body.empty()) node.after.push_back(static_cast<int>(body.size()) - 1);
    body.push_back(node);
  }
  // More bodies do the same in another order.
  constexpr Branch kOnce[] = {Branch::If, Branch::IfElse, Branch::Switch};
  const size_t more = loop ? 0 : conditional.salt % 3;
  conditional.branch = loop ? Branch::While : kOnce[more];
  conditional.bodies = {body};
  for (size_t i = 1; i <= more; ++i) conditional.bodies.push_back(varied(body, i));
  return conditional;
}

std::optional<NodeWork> Generator::make_updatable() {
  const auto launch = make_words_launch(random_.percent(50) ? Kernel::Fill : Kernel::Blend);
  const auto word = pick_word(false);
  if (!launch || !word) return std::nullopt;
  Updatable updatable{*launch, *word, static_cast<uint32_t>(random_.next())};
  updatable.launch.packing = Packing::Params;
  return updatable;
}

// Garbage when it appears, written once, read into what stays, and gone with its free.
void Generator::add_memory(MakeGraph* graph) {
  std::vector<int> outs = own_buffers();
  keep_linear(&outs, 64);
  if (outs.empty()) return;
  const int out = random_.one_of(outs);
  Buffer buffer;
  buffer.source = Source::Graph;
  buffer.bytes = random_.percent(50) ? random_.between(1, 400) * 1024
                                     : random_.between(kServed / kWord, kServed) * kWord;
  buffer.context = here_;
  const int index = static_cast<int>(plan_.buffers.size());
  plan_.buffers.push_back(buffer);
  append(graph, GraphAllocate{index, buffer.bytes});
  Set set{{Space::Device, index, 0, buffer.bytes, true},
          kWord,
          static_cast<uint32_t>(random_.next()),
          buffer.bytes / kWord,
          1,
          0,
          true};
  append(graph, set);
  append(graph, fill_of(index));
  Access to = part_of(out, kWord, true), from = part_of(index, kWord, false);
  to.bytes = from.bytes = std::min(to.bytes, from.bytes);
  if (random_.percent(50)) {
    Launch bytes;
    bytes.kernel = Kernel::Bytes;
    bytes.arguments = {to, from};
    bytes.elements = static_cast<uint32_t>(to.bytes);
    shape_threads(&bytes);
    append(graph, bytes);
  } else {
    Copy copy;
    copy.to = to;
    copy.from = from;
    copy.width = to.bytes;
    copy.async = true;
    append(graph, copy);
  }
  append(graph, GraphFree{index, buffer.bytes});
}

void Generator::add_special_nodes(MakeGraph* graph, LiveGraph* live) {
  const bool by_hand = graph->building == Building::ByHand;
  const auto event = [&] {
    plan_.events.push_back(here_);
    return static_cast<int>(plan_.events.size()) - 1;
  };
  if (by_hand && random_.percent(25)) {
    live->special = live->waits = true;
    live->wait = event();
    append(graph, WaitEvent{live->wait});
  }
  if (by_hand && random_.percent(25)) {
    live->special = live->records = true;
    live->record = event();  // close_special_nodes() adds the node
  }
  if (random_.percent(30)) {
    live->special = true;
    add_memory(graph);
  }
  if (!by_hand) return;
  std::vector<NodeWork> made;
  if (random_.percent(40)) {
    if (const auto child = make_child()) append(graph, *child);
  }
  if (plan_.device_calls && random_.percent(40)) {
    if (const auto conditional = make_conditional()) {
      live->special = true;
      live->in_reach = live_;
      append(graph, *conditional);
    }
  }
  if (plan_.device_calls && random_.percent(30)) {
    if (const auto updatable = make_updatable()) {
      live->special = true;
      append(graph, *updatable);
    }
  }
}

void Generator::close_special_nodes(MakeGraph* graph, LiveGraph* live) {
  if (!live->records) return;
  Node last{Record{live->record}, {}, 0};
  for (int i = 0; i < static_cast<int>(graph->nodes.size()); ++i) last.after.push_back(i);
  graph->nodes.push_back(last);
}

// Other scalars for the kernels of a child graph.
void Generator::renew(std::vector<Node>* nodes) {
  for (Node& node : *nodes) {
    if (Launch* launch = std::get_if<Launch>(&node.work))
      launch->salt = static_cast<uint32_t>(random_.next());
  }
}

}  // namespace random_program
