// SPDX-License-Identifier: Apache-2.0
#include "tests/random/tell.h"

#include <fmt/format.h>

#include <iterator>
#include <vector>

#include "tests/random/names.h"

namespace random_program {
namespace {

std::string tell(const Access& access) {
  return fmt::format("{}{}{}[{}+{}]", access.write ? "=" : "",
                     "bha"[static_cast<size_t>(access.space)], access.index, access.offset,
                     access.bytes);
}

std::string tell(const std::vector<Access>& accesses) {
  std::string text;
  for (const Access& access : accesses) text += " " + tell(access);
  return text;
}

std::string tell(const NodeWork& work);

struct Teller {
  std::string operator()(const MakeContext& one) const {
    return fmt::format("make c{}", one.context);
  }
  std::string operator()(const DropContext& one) const {
    return fmt::format("destroy c{}", one.context);
  }
  std::string operator()(const PeerAccess& one) const {
    return fmt::format("{} access of c{} to c{}", one.enable ? "enable" : "disable", one.from,
                       one.to);
  }
  std::string operator()(const Allocate& one) const {
    return fmt::format("allocate b{}", one.buffer);
  }
  std::string operator()(const Release& one) const {
    return fmt::format("free b{}{}", one.buffer, one.async ? " in stream order" : "");
  }
  std::string operator()(const Launch& one) const {
    return fmt::format("{}{}{}{}", name(kKernels, one.kernel), tell(one.arguments),
                       one.programmatic ? " programmatic" : "",
                       one.event < 0 ? "" : fmt::format(" event e{}", one.event));
  }
  std::string operator()(const Set& one) const {
    return fmt::format("set{}{}", tell(one.target), one.async ? " async" : "");
  }
  std::string operator()(const Copy& one) const {
    return fmt::format("{} {} {}{}", name(kForms, one.form), tell(one.to), tell(one.from),
                       one.async ? " async" : "");
  }
  std::string operator()(const HostFill& one) const { return "host writes " + tell(one.target); }
  std::string operator()(const HostCheck& one) const { return "host reads " + tell(one.target); }
  std::string operator()(const HostFunction& one) const {
    return "host function writes " + tell(one.target);
  }
  std::string operator()(const WriteValue& one) const {
    return fmt::format("write {}value{} {}", one.waits ? "and wait for " : "",
                       one.batch ? " in a batch" : "", tell(one.target));
  }
  std::string operator()(const StoreAddresses& one) const {
    return fmt::format("store addresses of{} into {}{}{}", tell(one.targets),
                       one.holder == Holder::Global ? "the global"
                       : one.holder == Holder::List ? "each other"
                                                    : tell(one.table),
                       one.copied ? " by way of elsewhere in it" : "",
                       one.by_kernel ? " by a kernel" : "");
  }
  std::string operator()(const MakeTexture& one) const {
    return fmt::format("make t{} over {}", one.texture, tell(one.source));
  }
  std::string operator()(const DropTexture& one) const {
    return fmt::format("destroy t{}", one.texture);
  }
  std::string operator()(const Record& one) const { return fmt::format("record e{}", one.event); }
  std::string operator()(const WaitEvent& one) const {
    return fmt::format("wait for e{}", one.event);
  }
  std::string operator()(const HostWait& one) const {
    return fmt::format("host waits for {} e{}", name(kWaits, one.wait), one.event);
  }
  std::string operator()(const Ask& one) const {
    return fmt::format("ask {} of b{}+{}", name(kQuestions, one.question), one.buffer, one.offset);
  }
  std::string operator()(const MakeGraph& one) const {
    return fmt::format("make g{} {} mode {} second stream {}{}", one.graph,
                       one.building == Building::Captured ? "captured" : "by hand",
                       one.capture_mode, one.second_stream, nodes(one.nodes));
  }
  std::string operator()(const UpdateGraph& one) const {
    return fmt::format("update g{} {}{}", one.graph, one.whole ? "whole" : "nodes",
                       nodes(one.nodes));
  }
  std::string operator()(const LaunchGraph& one) const {
    return fmt::format("launch g{}", one.graph);
  }
  std::string operator()(const DropGraph& one) const { return fmt::format("drop g{}", one.graph); }
  std::string operator()(const Checkpoint& one) const {
    return fmt::format("check {} buffers", one.buffers.size());
  }
  std::string operator()(const Nothing&) const { return "nothing"; }
  std::string operator()(const Child& one) const { return "child" + nodes(one.nodes); }
  std::string operator()(const Conditional& one) const {
    std::string text = fmt::format("{} {}", name(kBranches, one.branch), tell(one.word));
    for (size_t i = 0; i < one.bodies.size(); ++i) {
      if (i > 0) text += "\n      or";
      text += nodes(one.bodies[i]);
    }
    return text;
  }
  std::string operator()(const Updatable& one) const {
    return fmt::format("as {} says, {}", tell(one.word), (*this)(one.launch));
  }
  std::string operator()(const GraphAllocate& one) const {
    return fmt::format("allocate b{} of {} bytes", one.buffer, one.bytes);
  }
  std::string operator()(const GraphFree& one) const { return fmt::format("free b{}", one.buffer); }

  static std::string nodes(const std::vector<Node>& nodes) {
    std::string text;
    for (const Node& node : nodes)
      text += fmt::format("\n      lane {}: {}", node.lane, tell(node.work));
    return text;
  }
};

std::string tell(const NodeWork& work) {
  return std::visit(Teller{}, work);
}

}  // namespace

std::string tell(const Plan& plan) {
  std::string text;
  const auto line = std::back_inserter(text);
  for (size_t i = 0; i < plan.contexts.size(); ++i) {
    const Context& context = plan.contexts[i];
    fmt::format_to(line, "c{} of device {}{}{}\n", i, context.device,
                   context.primary ? ", primary" : "", context.passing ? ", passing" : "");
  }
  for (size_t i = 0; i < plan.streams.size(); ++i) {
    fmt::format_to(line, "s{} {} of thread {} in c{}\n", i, name(kStreams, plan.streams[i].kind),
                   plan.streams[i].thread, plan.streams[i].context);
  }
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    fmt::format_to(line, "b{} {} of {} bytes in c{}\n", i, name(kSources, plan.buffers[i].source),
                   plan.buffers[i].bytes, plan.buffers[i].context);
  }
  std::vector<size_t> index(static_cast<size_t>(plan.threads));
  for (size_t phase = 0; phase < plan.phases.size(); ++phase) {
    const auto& threads = plan.phases[phase].threads;
    for (size_t thread = 0; thread < threads.size(); ++thread) {
      for (const Operation& operation : threads[thread]) {
        fmt::format_to(line, "phase {} thread {} operation {} s{}{}: {}\n", phase, thread,
                       index[thread]++, operation.stream, operation.per_thread ? " by symbol" : "",
                       std::visit(Teller{}, operation.work));
      }
    }
  }
  return text;
}

}  // namespace random_program
