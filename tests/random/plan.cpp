// SPDX-License-Identifier: Apache-2.0
#include "tests/random/plan.h"

#include <type_traits>

namespace random_program {
namespace {

std::vector<Access> of(const Launch& launch) {
  return launch.arguments;
}
std::vector<Access> of(const Set& set) {
  return {set.target};
}
std::vector<Access> of(const Copy& copy) {
  return {copy.to, copy.from};
}
std::vector<Access> of(const HostFill& fill) {
  return {fill.target};
}
std::vector<Access> of(const HostCheck& check) {
  return {check.target};
}
std::vector<Access> of(const HostFunction& function) {
  return {function.target};
}
std::vector<Access> of(const WriteValue& write) {
  return {write.target};
}
std::vector<Access> of(const StoreAddresses& store) {
  switch (store.holder) {
    case Holder::Table:
      return {store.table};
    case Holder::Global:
      return {};
    case Holder::List:
      return store.targets;
  }
  return {};
}
std::vector<Access> of(const MakeGraph& graph) {
  return accesses(graph.nodes);
}
std::vector<Access> of(const Child& child) {
  return accesses(child.nodes);
}
std::vector<Access> of(const Conditional& conditional) {
  std::vector<Access> all;
  for (const std::vector<Node>& body : conditional.bodies) {
    for (const Access& access : accesses(body)) all.push_back(access);
  }
  all.push_back(conditional.word);
  return all;
}
std::vector<Access> of(const Updatable& updatable) {
  std::vector<Access> all = updatable.launch.arguments;
  all.push_back(updatable.word);
  return all;
}
std::vector<Access> of(const GraphAllocate& one) {
  return {{Space::Device, one.buffer, 0, one.bytes, true}};
}
std::vector<Access> of(const GraphFree& one) {
  return {{Space::Device, one.buffer, 0, one.bytes, true}};
}
// What has no bytes of its own.
template <class T>
requires std::is_same_v<T, Nothing> || std::is_same_v<T, MakeContext> ||
    std::is_same_v<T, MakeTexture> || std::is_same_v<T, DropTexture> ||
    std::is_same_v<T, DropContext> || std::is_same_v<T, PeerAccess> ||
    std::is_same_v<T, Allocate> || std::is_same_v<T, Release> || std::is_same_v<T, Record> ||
    std::is_same_v<T, WaitEvent> || std::is_same_v<T, HostWait> || std::is_same_v<T, Ask> ||
    std::is_same_v<T, UpdateGraph> || std::is_same_v<T, LaunchGraph> ||
    std::is_same_v<T, DropGraph> || std::is_same_v<T, Checkpoint>
        std::vector<Access> of(const T&) {
  return {};
}

}  // namespace

std::vector<Access> accesses(const NodeWork& work) {
  return std::visit([](const auto& one) { return of(one); }, work);
}

std::vector<Access> accesses(const std::vector<Node>& nodes) {
  std::vector<Access> all;
  for (const Node& node : nodes) {
    for (const Access& access : accesses(node.work)) all.push_back(access);
  }
  return all;
}

void for_each_step(const std::vector<Node>& nodes,
                   const std::function<void(const NodeWork&)>& visit) {
  for (const Node& node : nodes) {
    if (const Child* child = std::get_if<Child>(&node.work)) {
      for_each_step(child->nodes, visit);
    } else if (const Conditional* conditional = std::get_if<Conditional>(&node.work)) {
      for (const auto& body : conditional->bodies) for_each_step(body, visit);
      Launch decide;
      decide.arguments = {conditional->word};
      visit(decide);
    } else if (const Updatable* updatable = std::get_if<Updatable>(&node.work)) {
      visit(updatable->launch);
      Launch retune;
      retune.arguments = {updatable->word};
      visit(retune);
    } else {
      visit(node.work);
    }
  }
}

std::vector<Access> accesses(const Work& work) {
  return std::visit([](const auto& one) { return of(one); }, work);
}

}  // namespace random_program
