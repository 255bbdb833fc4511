// SPDX-License-Identifier: Apache-2.0
// From a description to work; see node.h.
#include "tests/sim/driver/node.h"

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/context.h"
#include "tests/sim/driver/graph_memory.h"

namespace sim {
namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 14 does not deduce it by itself

}  // namespace

Work make_work(Context* context, const Node& node) {
  return std::visit(Overloaded{[&](const KernelNode& n) { return kernel_work(context, n); },
                               [&](const CopyNode& n) { return copy_work(context, n); },
                               [&](const FillNode& n) { return fill_work(context, n); },
                               [](const HostNode& n) { return host_work(n); },
                               [&](const MemOpNode& n) { return mem_op_work(context, n); },
                               [](const AllocNode& n) { return n.memory->appear(); },
                               [](const FreeNode& n) { return n.memory->vanish(); },
                               [](const auto&) { return Work{}; }},
                    node);
}

std::vector<std::shared_ptr<Graph>> inner_graphs(const Node& node) {
  if (const auto* child = std::get_if<ChildNode>(&node)) return {child->graph};
  if (const auto* conditional = std::get_if<ConditionalNode>(&node)) return conditional->bodies;
  return {};
}

CUresult submit(Stream* stream, Node node) {
  if (const CUresult status = usable(stream->context)) return status;
  Work work = make_work(stream->context, node);
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (stream->capture) return capture_node(*stream, std::move(node));
  return append(lock, *stream, std::move(work));
}

}  // namespace sim
