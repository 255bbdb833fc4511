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
  return store.global ? std::vector<Access>{} : std::vector<Access>{store.table};
}
std::vector<Access> of(const MakeGraph& graph) {
  std::vector<Access> all;
  for (const Node& node : graph.nodes) {
    for (const Access& access : accesses(node.work)) all.push_back(access);
  }
  return all;
}
// What has no bytes of its own.
template <class T>
requires std::is_same_v<T, Nothing> || std::is_same_v<T, MakeContext> ||
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

std::vector<Access> accesses(const Work& work) {
  return std::visit([](const auto& one) { return of(one); }, work);
}

}  // namespace random_program
