// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

bool overlap(const Access& a, const Access& b) {
  return a.space == b.space && a.index == b.index && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

bool conflict(const std::vector<Access>& a, const std::vector<Access>& b) {
  for (const Access& one : a) {
    for (const Access& two : b) {
      if ((one.write || two.write) && overlap(one, two)) return true;
    }
  }
  return false;
}

bool well_ordered(const std::vector<Node>& nodes) {
  std::vector<std::set<int>> before(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (int parent : nodes[i].after) {
      before[i].insert(parent);
      before[i].insert(before[parent].begin(), before[parent].end());
    }
    for (size_t j = 0; j < i; ++j) {
      if (before[i].count(static_cast<int>(j)) == 0 &&
          conflict(accesses(nodes[i].work), accesses(nodes[j].work))) {
        return false;
      }
    }
  }
  return true;
}

// Buffers of memcpy and memset nodes of graphs that live, and hidden ones.
std::set<int> Generator::held() const {
  std::set<int> held = hidden_;
  held.insert(tables_.begin(), tables_.end());
  for (const auto& [texture, source] : textures_) held.insert(source.index);
  for (const auto& [graph, live] : graphs_) {
    for_each_step(live.made.nodes, [&](const NodeWork& work) {
      if (std::holds_alternative<Launch>(work)) return;
      for (const Access& access : accesses(work)) {
        if (access.space == Space::Device) held.insert(access.index);
      }
    });
  }
  return held;
}

// The legacy stream cannot be captured at all; nor can one that waits for it while another thread
// may use it.
bool Generator::may_capture(int stream) const {
  const StreamKind kind = plan_.streams[stream].kind;
  return alone_ ? kind != StreamKind::Legacy
                : concurrent_capture_ && kind == StreamKind::NonBlocking;
}

std::optional<NodeWork> Generator::make_node() {
  const size_t kind = random_.below(100);
  if (kind < 62) {
    std::optional<Launch> launch = make_launch();
    if (!launch) return std::nullopt;
    return *launch;
  }
  if (kind < 76) {
    const auto buffer = pick_own_buffer(false);
    if (!buffer) return std::nullopt;
    return make_set(part_of(*buffer, 1, true), true);
  }
  if (kind < 88) {
    std::optional<Copy> copy = make_device_copy();
    if (!copy) return std::nullopt;
    copy->form = CopyForm::Plain;
    return *copy;
  }
  if (kind < 94) {
    const auto host = pick_host();
    if (!host) return std::nullopt;
    const Access target{Space::Host, *host, 0, random_.between(1, plan_.hosts[*host].bytes), true};
    return HostFunction{target, random_.next()};
  }
  return Nothing{};
}

void Generator::make_graph() {
  if (graphs_.size() >= 2 || (!graphs_.empty() && random_.percent(50))) {
    const size_t place = random_.below(graphs_.size());
    const auto chosen = std::next(graphs_.begin(), static_cast<long>(place))->first;
    if (graphs_.at(chosen).owner != thread_ || graphs_.at(chosen).context != here_) return;
    const size_t what = random_.below(10);
    if (what < 2 && may_drop(chosen)) return drop_graph(chosen);
    if (what < 7) update_graph(chosen);
    return launch_graph(chosen);
  }
  const int stream = pick_stream();
  MakeGraph graph;
  const bool capture = may_capture(stream) && random_.percent(50);
  graph.building = capture ? Building::Captured : Building::ByHand;
  // A global-mode capture forbids things to the other threads too.
  graph.capture_mode =
      alone_ ? static_cast<int>(random_.below(3)) : static_cast<int>(random_.between(1, 2));
  if (capture && random_.percent(50)) {
    const int second = pick_stream();
    if (second != stream && may_capture(second)) graph.second_stream = second;
  }
  graph.graph = plan_.graphs++;
  LiveGraph live;
  live.owner = thread_;
  live.context = here_;
  if (random_.percent(45)) add_special_nodes(&graph, &live);
  const size_t wanted = graph.nodes.size() + random_.between(2, 6);
  for (size_t tries = 0; tries < wanted * 2 && graph.nodes.size() < wanted; ++tries) {
    const std::optional<NodeWork> work = make_node();
    if (!work) continue;
    append(&graph, *work);
  }
  close_special_nodes(&graph, &live);
  if (graph.nodes.empty()) return;
  live.made = graph;
  graphs_[graph.graph] = live;
  account(accesses(graph.nodes));
  emit(stream, graph);
  const size_t launches = random_.between(1, 3);
  for (size_t i = 0; i < launches; ++i) launch_graph(graph.graph);
}

// Puts a node behind those that it must follow. False: in a capture the lanes meet at the ends
// only, so nothing may depend on both.
bool Generator::append(MakeGraph* graph, NodeWork work) {
  const bool capture = graph->building == Building::Captured;
  Node node{std::move(work), {}, 0};
  std::optional<int> last_of_lane[2];
  bool conflicts[2] = {false, false};
  for (int i = 0; i < static_cast<int>(graph->nodes.size()); ++i) {
    const Node& earlier = graph->nodes[i];
    last_of_lane[earlier.lane] = i;
    const bool hits = conflict(accesses(node.work), accesses(earlier.work));
    conflicts[earlier.lane] |= hits;
    const bool first = std::holds_alternative<WaitEvent>(earlier.work);
    if (!capture && (hits || first || random_.percent(15))) node.after.push_back(i);
  }
  if (capture) {
    if (conflicts[0] && conflicts[1]) return false;
    const bool free = !conflicts[0] && !conflicts[1];
    if (graph->second_stream >= 0)
      node.lane = free ? static_cast<int>(random_.below(2)) : conflicts[1];
    if (last_of_lane[node.lane]) node.after.push_back(*last_of_lane[node.lane]);
  }
  graph->nodes.push_back(std::move(node));
  return true;
}

void Generator::launch_graph(int graph) {
  const LiveGraph& live = graphs_.at(graph);
  const std::vector<Access> touched = accesses(live.made.nodes);
  std::vector<Access> named = touched;
  for_each_step(live.made.nodes, [&](const NodeWork& work) {
    const Launch* launch = std::get_if<Launch>(&work);
    if (launch != nullptr && launch->spectator != Launch::Spectator::Null) {
      named.push_back({Space::Device, launch->spectator_buffer, 0, 0, false});
    }
  });
  for (int buffer : live.in_reach) named.push_back({Space::Device, buffer, 0, 0, false});
  account(named);
  const int stream = pick_stream();
  if (live.waits) {
    const int other = pick_stream();
    emit(other, Record{live.wait});
    order_->record(thread_, live.wait, other);
    order_->wait_event(thread_, live.wait, stream);  // by the graph's first node
  }
  submit(stream, LaunchGraph{graph}, touched);
  if (!live.records) return;
  order_->record(thread_, live.record, stream);  // by its last one
  const int other = pick_stream();
  if (other == stream) {
    emit(other, HostWait{Wait::Event, live.record});
    order_->host_waits_event(thread_, live.record);
  } else {
    emit(other, WaitEvent{live.record});
    order_->wait_event(thread_, live.record, other);
  }
}

// The same shape with other contents: new scalars, and where order allows it other inputs.
void Generator::update_graph(int graph) {
  LiveGraph& live = graphs_.at(graph);
  if (live.special) return;
  UpdateGraph update;
  update.graph = graph;
  update.nodes = live.made.nodes;
  for (int i = 0; i < static_cast<int>(update.nodes.size()); ++i) {
    if (random_.percent(40)) continue;
    NodeWork& work = update.nodes[i].work;
    if (Set* set = std::get_if<Set>(&work)) {
      if (set->pitch != 0) continue;  // the driver updates sets of one run only
      set->value = static_cast<uint32_t>(random_.next());
      update.changed.push_back(i);
    } else if (Child* child = std::get_if<Child>(&work)) {
      // Of kernels only. Memory of a set or copy that a small budget leaves on the host is of
      // another kind to the driver than when the graph was made, and it refuses the update.
      const std::vector<Node>& inner = child->nodes;
      if (std::any_of(inner.begin(), inner.end(), [](const Node& node) {
            return std::holds_alternative<Set>(node.work) ||
                   std::holds_alternative<Copy>(node.work);
          })) {
        continue;
      }
      renew(&child->nodes);
      update.changed.push_back(i);
    } else if (Launch* launch = std::get_if<Launch>(&work)) {
      launch->salt = static_cast<uint32_t>(random_.next());
      launch->stride = launch->stride + 2;
      const std::vector<int> readable = readable_buffers();
      for (size_t k = 1; k < launch->arguments.size() && k < 6 && !readable.empty(); ++k) {
        const Access before = launch->arguments[k];
        Access& input = launch->arguments[k];
        const Buffer& other = plan_.buffers[input.index = random_.one_of(readable)];
        const bool fits = other.source != Source::Pitch && other.bytes >= input.bytes &&
                          input.index != launch->arguments[0].index;
        if (fits) input.offset = 0;
        if (!fits || !well_ordered(update.nodes)) input = before;
      }
      update.changed.push_back(i);
    }
  }
  if (update.changed.empty()) return;
  const bool capture = live.made.building == Building::Captured;
  // Only nodes made by hand have names to update singly.
  update.whole = capture || random_.percent(50);
  update.second_stream = live.made.second_stream;
  int stream = pick_stream();
  if (capture) {
    // Streams change owners between phases.
    if (!may_capture(stream) || stream == update.second_stream) return;
    if (update.second_stream >= 0 &&
        (stream_owner_[update.second_stream] != thread_ || !may_capture(update.second_stream))) {
      return;
    }
  }
  live.made.nodes = update.nodes;
  account(accesses(update.nodes));
  emit(stream, update);
}

// Kernels that set a handle or change a node need the graph: launches of it must be over, and who
// else uses its memory meanwhile is not known while several threads run.
bool Generator::may_drop(int graph) const {
  const std::vector<Node>& nodes = graphs_.at(graph).made.nodes;
  return alone_ || std::none_of(nodes.begin(), nodes.end(), [](const Node& node) {
           return std::holds_alternative<Conditional>(node.work) ||
                  std::holds_alternative<Updatable>(node.work);
         });
}

void Generator::drop_graph(int graph) {
  const std::vector<Node>& nodes = graphs_.at(graph).made.nodes;
  if (std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
        return std::holds_alternative<Conditional>(node.work) ||
               std::holds_alternative<Updatable>(node.work);
      })) {
    wait_for_all();
  }
  // Of others launches are perhaps still running.
  emit(graphs_.at(graph).context, DropGraph{graph});
  graphs_.erase(graph);
}

}  // namespace random_program
