// SPDX-License-Identifier: Apache-2.0
// Control flow: where the ways of a branch meet again (its immediate post-dominator) a Join is put
// in front of the instruction, and branches get their targets.
#include <algorithm>
#include <set>

#include "tests/sim/ptx/module.h"

namespace sim::ptx {
namespace {

struct Graph {
  std::vector<size_t> start;           // first instruction of each basic block
  std::vector<std::vector<int>> next;  // the last node is the exit
  std::vector<int> meets;              // immediate post-dominator; -1: none before the exit
  int exit = 0;
};

bool ends_block(Op op) {
  return op == Op::Bra || op == Op::Brx || op == Op::Ret || op == Op::Exit || op == Op::Trap ||
         op == Op::Unsupported;
}

std::vector<size_t> targets_of(const Code& code, const Inst& in,
                               const std::vector<size_t>& labels) {
  if (in.op == Op::Bra) return {labels[static_cast<size_t>(in.imm)]};
  std::vector<size_t> out;
  if (in.op != Op::Brx) return out;
  for (const Inst* label : code.tables[in.aux].targets)
    out.push_back(labels[reinterpret_cast<uintptr_t>(label)]);
  return out;
}

Graph build(const Code& code, const std::vector<size_t>& labels) {
  std::set<size_t> starts = {0};
  for (size_t i = 0; i < code.insts.size(); ++i) {
    if (!ends_block(code.insts[i].op)) continue;
    if (i + 1 < code.insts.size()) starts.insert(i + 1);
    for (size_t t : targets_of(code, code.insts[i], labels)) starts.insert(t);
  }
  Graph g;
  g.start.assign(starts.begin(), starts.end());
  const size_t n = g.start.size();
  g.exit = static_cast<int>(n);
  g.next.resize(n + 1);
  auto block_at = [&](size_t inst) {
    return static_cast<int>(std::upper_bound(g.start.begin(), g.start.end(), inst) -
                            g.start.begin()) -
           1;
  };
  for (size_t b = 0; b < n; ++b) {
    const size_t last = (b + 1 < n ? g.start[b + 1] : code.insts.size()) - 1;
    const Inst& in = code.insts[last];
    for (size_t t : targets_of(code, in, labels)) g.next[b].push_back(block_at(t));
    const bool falls = !ends_block(in.op) || (in.op == Op::Bra && in.flag);
    if (falls && b + 1 < n) g.next[b].push_back(static_cast<int>(b) + 1);
    if (g.next[b].empty()) g.next[b].push_back(g.exit);
  }
  return g;
}

// Post-dominators by the iterative algorithm on the reversed graph, in reverse post-order. Blocks
// that never reach the exit (endless loops) have none.
void post_dominate(Graph* g) {
  const int n = g->exit + 1;
  std::vector<std::vector<int>> before(static_cast<size_t>(n));
  for (int b = 0; b < n; ++b) {
    for (int s : g->next[static_cast<size_t>(b)]) before[static_cast<size_t>(s)].push_back(b);
  }
  std::vector<int> number(static_cast<size_t>(n), -1), order;
  std::vector<std::pair<int, size_t>> stack = {{g->exit, 0}};
  std::vector<bool> seen(static_cast<size_t>(n));
  seen[static_cast<size_t>(g->exit)] = true;
  while (!stack.empty()) {
    auto& [block, child] = stack.back();
    const auto& list = before[static_cast<size_t>(block)];
    if (child < list.size()) {
      const int b = list[child++];
      if (!seen[static_cast<size_t>(b)]) {
        seen[static_cast<size_t>(b)] = true;
        stack.emplace_back(b, 0);
      }
    } else {
      number[static_cast<size_t>(block)] = static_cast<int>(order.size());
      order.push_back(block);
      stack.pop_back();
    }
  }
  auto& meets = g->meets;
  meets.assign(static_cast<size_t>(n), -1);
  meets[static_cast<size_t>(g->exit)] = g->exit;
  auto common = [&](int a, int b) {
    while (a != b) {
      while (number[static_cast<size_t>(a)] < number[static_cast<size_t>(b)])
        a = meets[static_cast<size_t>(a)];
      while (number[static_cast<size_t>(b)] < number[static_cast<size_t>(a)])
        b = meets[static_cast<size_t>(b)];
    }
    return a;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (auto b = order.rbegin(); b != order.rend(); ++b) {
      if (*b == g->exit) continue;
      int found = -1;
      for (int s : g->next[static_cast<size_t>(*b)]) {
        if (meets[static_cast<size_t>(s)] < 0) continue;
        found = found < 0 ? s : common(s, found);
      }
      if (found != meets[static_cast<size_t>(*b)]) {
        meets[static_cast<size_t>(*b)] = found;
        changed = true;
      }
    }
  }
  for (int& m : meets) m = m == g->exit ? -1 : m;
}

}  // namespace

void connect(Code* code, const std::vector<size_t>& labels) {
  Graph g = build(*code, labels);
  post_dominate(&g);
  // The meeting point of each branch, as an instruction of the old numbering.
  std::vector<int64_t> meet(code->insts.size(), -1);
  std::set<size_t> joins;
  for (size_t b = 0; b < g.start.size(); ++b) {
    const size_t last = (b + 1 < g.start.size() ? g.start[b + 1] : code->insts.size()) - 1;
    const Inst& in = code->insts[last];
    if (in.op != Op::Brx && !(in.op == Op::Bra && in.flag)) continue;
    if (g.meets[b] < 0) continue;
    const size_t at = g.start[static_cast<size_t>(g.meets[b])];
    // Who only has to leave does not wait for the others: they may be at a barrier.
    const Op op = code->insts[at].op;
    if (op == Op::Ret || op == Op::Exit) continue;
    meet[last] = static_cast<int64_t>(at);
    joins.insert(at);
  }
  std::vector<size_t> moved(code->insts.size() + 1);  // old index -> new, the Join if there is one
  Code out;
  for (size_t i = 0; i < code->insts.size(); ++i) {
    moved[i] = out.insts.size();
    for (int copy = joins.count(i) ? 0 : 1; copy < 2; ++copy) {
      Inst in = code->insts[i];
      if (copy == 0) {
        in = Inst{};
        in.op = Op::Join;
        in.r.fill(0);
      }
      out.insts.push_back(in);
      out.lines.push_back(code->lines[i]);
      out.texts.push_back(code->texts[i]);
    }
  }
  const Inst* first = out.insts.data();
  for (size_t i = 0; i < code->insts.size(); ++i) {
    Inst& in = out.insts[moved[i] + joins.count(i)];
    if (in.op != Op::Bra && in.op != Op::Brx) continue;
    if (in.op == Op::Bra) in.target = first + moved[labels[static_cast<size_t>(in.imm)]];
    in.imm = meet[i] < 0 ? -1 : static_cast<int64_t>(moved[static_cast<size_t>(meet[i])]);
  }
  for (JumpTable& table : code->tables) {
    for (const Inst*& target : table.targets)
      target = first + moved[labels[reinterpret_cast<uintptr_t>(target)]];
  }
  code->insts = std::move(out.insts);
  code->lines = std::move(out.lines);
  code->texts = std::move(out.texts);
}

}  // namespace sim::ptx
