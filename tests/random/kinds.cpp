// SPDX-License-Identifier: Apache-2.0
#include "tests/random/kinds.h"

#include "tests/random/names.h"

namespace random_program {
namespace {

struct Collector {
  const Plan& plan;
  std::set<std::string> found;
  std::string prefix;
  int context = 0;  // the current one

  int device_of(int in_context) const { return plan.contexts[in_context].device; }
  void add(const std::string& kind) { found.insert(prefix + kind); }

  void operator()(const Launch& one) {
    add(std::string("launch ") + name(kKernels, one.kernel));
    add(std::string("launch by ") + name(kDoors, one.door));
    if (one.packing == Packing::Extra) add("launch with extra");
    if (one.programmatic) add("programmatic launch");
    if (one.event >= 0) add("programmatic event");
    for (const Access& access : one.arguments) {
      if (access.space != Space::Device) continue;
      const int other = plan.buffers[access.index].context;
      if (other == context) continue;
      const bool far = device_of(other) != device_of(context);
      add(far ? (access.write ? "kernel writes to a peer" : "kernel reads from a peer")
              : "kernel uses memory of another context");
    }
  }
  void operator()(const Set& one) {
    add(std::string("set ") + (one.height > 1 ? "rows" : "run") + (one.async ? " async" : ""));
  }
  void operator()(const Copy& one) {
    add(name(kForms, one.form) + std::string(one.async ? " async" : ""));
    if (one.to.space == Space::Array || one.from.space == Space::Array)
      add(one.to.space == Space::Array ? "copy into an array" : "copy from an array");
    if (one.to.space != Space::Device || one.from.space != Space::Device) return;
    const int to = plan.buffers[one.to.index].context, from = plan.buffers[one.from.index].context;
    if (to == from) return;
    add(std::string(name(kForms, one.form)) +
        (device_of(to) == device_of(from) ? " between contexts" : " between devices"));
  }
  void operator()(const HostFunction&) { add("host function"); }
  void operator()(const WriteValue& one) {
    add(std::string(one.waits ? "wait for value" : "write value") +
        (one.batch ? " in a batch" : ""));
  }
  void operator()(const StoreAddresses& one) {
    const char* const where[] = {"a table", "a variable", "a list"};
    const std::string by = one.by_kernel ? " by a kernel" : "";
    add(std::string("addresses in ") + name(where, one.holder) + by);
    if (one.copied) add("addresses copied on the device" + by);
  }
  void operator()(const Allocate& one) {
    add(std::string("allocate ") + name(kSources, plan.buffers[one.buffer].source));
  }
  void operator()(const Release& one) { add(one.async ? "free in stream order" : "free"); }
  void operator()(const HostWait& one) {
    add(std::string("host waits for ") + name(kWaits, one.wait));
  }
  void operator()(const WaitEvent& one) {
    const int other = plan.events[one.event];
    add(other == context                         ? "wait for event"
        : device_of(other) == device_of(context) ? "wait for event of another context"
                                                 : "wait for event of another device");
  }
  void operator()(const Ask& one) { add(std::string("ask ") + name(kQuestions, one.question)); }
  void operator()(const MakeTexture&) { add("texture made"); }
  void operator()(const DropTexture&) { add("texture destroyed"); }
  void operator()(const MakeContext&) { add("context made midway"); }
  void operator()(const DropContext&) { add("context destroyed with live buffers"); }
  void operator()(const PeerAccess& one) {
    add(one.enable ? "peer access enabled" : "peer access disabled");
  }
  void operator()(const MakeGraph& one) {
    add(one.building == Building::Captured ? "graph captured" : "graph by hand");
    nodes(one.nodes, one.building == Building::Captured ? "captured: " : "node: ");
  }
  void operator()(const UpdateGraph& one) {
    add(one.whole ? "graph updated as a whole" : "graph nodes updated");
  }
  void operator()(const LaunchGraph&) { add("graph launched"); }
  void operator()(const DropGraph&) { add("graph destroyed"); }
  void operator()(const Nothing&) { add("empty"); }
  void operator()(const Child& one) {
    add("child graph");
    nodes(one.nodes, "in child: ");
  }
  void operator()(const Conditional& one) {
    add(name(kBranches, one.branch));
    for (const auto& body : one.bodies) nodes(body, "in body: ");
  }
  void operator()(const Updatable&) { add("device-updatable"); }
  void operator()(const GraphAllocate& one) {
    add(one.bytes < (size_t{2} << 20) ? "allocate little" : "allocate");
  }
  void operator()(const GraphFree&) { add("free"); }
  void operator()(const HostFill&) {}
  void operator()(const HostCheck&) {}
  void operator()(const Record&) { add("record event"); }
  void operator()(const Checkpoint&) {}

  void nodes(const std::vector<Node>& nodes, const char* where) {
    const std::string outside = prefix;
    prefix = where;
    for (const Node& node : nodes)
      std::visit([this](const auto& work) { (*this)(work); }, node.work);
    prefix = outside;
  }
};

}  // namespace

std::set<std::string> kinds(const Plan& plan) {
  Collector collector{plan, {}, "", 0};
  if (plan.devices > 1) collector.add("two devices");
  if (plan.contexts.size() > 1) collector.add("several contexts");
  if (plan.threads > 1) collector.add("several threads");
  for (const Phase& phase : plan.phases) {
    for (const auto& thread : phase.threads) {
      for (const Operation& operation : thread) {
        collector.context = plan.streams[operation.stream].context;
        std::visit([&](const auto& work) { collector(work); }, operation.work);
      }
    }
  }
  return collector.found;
}

}  // namespace random_program
