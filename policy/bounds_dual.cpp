// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds_dual.h"

#include <algorithm>
#include <limits>

namespace spillway::policy {

Dual::Dual(const Lap& lap) : lap_(lap) {
  const uint32_t intervals = lap.intervals();
  std::vector<uint32_t> longest(intervals, 0);
  for (const Gap& gap : lap.gaps) {
    longest[gap.first] = std::max(longest[gap.first], gap.length);
    if (gap.before > 0) {
      uint32_t& row = longest[(gap.first + intervals - gap.before) % intervals];
      row = std::max(row, gap.before - 1);
    }
  }
  row_.assign(intervals, 0);
  size_t cells = 0;
  for (uint32_t i = 0; i < intervals; ++i) {
    row_[i] = cells;
    cells += longest[i] + 1;
  }
  cells_.resize(cells);
  kept_.resize(2 * intervals + 1);
  change_.resize(2 * intervals + 2);
}

void Dual::fill(const Prices& prices) {
  const uint32_t intervals = lap_.intervals();
  kept_[0] = 0;
  for (uint32_t i = 1; i < kept_.size(); ++i) {
    kept_[i] = kept_[i - 1] + prices.memory[i % intervals];
  }
  for (uint32_t first = 0; first < intervals; ++first) {
    Cell* const row = &cells_[row_[first]];
    const size_t end = first + 1 < intervals ? row_[first + 1] : cells_.size();
    const auto length = static_cast<uint32_t>(end - row_[first]);
    double out = prices.out[first];  // the least to go out, and what it took until then to stay
    uint16_t out_at = 0;
    row[0] = {prices.in[first], prices.in[first] + out, out, 0, 0, 0, 0};
    for (uint32_t i = 1; i < length; ++i) {
      const uint32_t at = (first + i) % intervals;
      const double stay = prices.memory[at], in = prices.in[at];
      const auto here = static_cast<uint16_t>(i);
      Cell cell = row[i - 1];
      cell.in += stay;
      if (in < cell.in) {
        cell.in = in;
        cell.in_at = here;
      }
      cell.out_in += stay;
      if (out + in < cell.out_in) {
        cell.out_in = out + in;
        cell.out_at = out_at;
        cell.back_at = here;
      }
      if (prices.out[at] < cell.out) {
        cell.out = prices.out[at];
        cell.only_out_at = here;
      }
      const double out_here = keep(first, i) + prices.out[at];
      if (out_here < out) {
        out = out_here;
        out_at = here;
      }
      row[i] = cell;
    }
  }
}

double Dual::chain_cost(const Chain& chain) {
  using Way = Step::Way;
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const uint32_t intervals = lap_.intervals();
  double device_only = chain.written ? 0 : kNever, both = chain.written ? kNever : 0;
  steps_.clear();
  for (const Gap& gap : lap_.gaps_of(chain)) {
    Step step{};
    double copied = both;
    if (gap.before > 0 && device_only < kNever) {
      const uint32_t row = (gap.first + intervals - gap.before) % intervals;
      const double in_use = device_only + cell(row, gap.before - 1).out;
      if (in_use < copied) {
        copied = in_use;
        step.copied_in_use = true;
      }
    }
    const double stay = keep(gap.first, gap.length);
    const Cell& leave = cell(gap.first, gap.length);
    step.way = leave.in < stay ? Way::Leave : Way::Stay;
    step.both = copied + std::min(leave.in, stay);
    if (device_only + stay + leave.out < step.both) {
      step.both = device_only + stay + leave.out;
      step.way = Way::StayAndCopy;
    }
    if (device_only + leave.out_in < step.both) {
      step.both = device_only + leave.out_in;
      step.way = Way::LeaveAndCopy;
    }
    step.device_only = device_only + stay;
    device_only = step.device_only;
    both = step.both;
    steps_.push_back(step);
  }
  return std::min(device_only, both);
}

void Dual::stay(uint32_t from, uint32_t to, double bytes) {
  if (from == to) return;
  change_[from + 1] += bytes;
  change_[to + 1] -= bytes;
}

// Backwards along the steps of chain_cost.
void Dual::take(const Chain& chain, Prices& taken) {
  using Way = Step::Way;
  const uint32_t intervals = lap_.intervals();
  const auto gaps = lap_.gaps_of(chain);
  bool on_host = steps_.back().both < steps_.back().device_only;
  for (size_t i = gaps.size(); i-- > 0;) {
    const Gap& gap = gaps[i];
    const Step& step = steps_[i];
    const uint32_t end = gap.first + gap.length;
    if (!on_host || step.way == Way::Stay || step.way == Way::StayAndCopy) {
      stay(gap.first, end, chain.bytes);
    }
    if (!on_host) continue;
    const Cell& where = cell(gap.first, gap.length);
    switch (step.way) {
      case Way::Stay:
        break;
      case Way::Leave:
        taken.in[(gap.first + where.in_at) % intervals] += chain.bytes;
        stay(gap.first + where.in_at, end, chain.bytes);
        break;
      case Way::StayAndCopy:
        taken.out[(gap.first + where.only_out_at) % intervals] += chain.bytes;
        break;
      case Way::LeaveAndCopy:
        stay(gap.first, gap.first + where.out_at, chain.bytes);
        taken.out[(gap.first + where.out_at) % intervals] += chain.bytes;
        taken.in[(gap.first + where.back_at) % intervals] += chain.bytes;
        stay(gap.first + where.back_at, end, chain.bytes);
        break;
    }
    if (step.way == Way::StayAndCopy || step.way == Way::LeaveAndCopy) {
      on_host = false;
    } else if (step.copied_in_use) {
      const uint32_t row = (gap.first + intervals - gap.before) % intervals;
      taken.out[(row + cell(row, gap.before - 1).only_out_at) % intervals] += chain.bytes;
      on_host = false;
    }
  }
}

double Dual::cost(const Prices& prices, Prices& taken) {
  const uint32_t intervals = lap_.intervals();
  fill(prices);
  taken.in.assign(intervals, 0);
  taken.out.assign(intervals, 0);
  std::ranges::fill(change_, 0);
  double sum = 0;
  for (const Chain& chain : lap_.chains) {
    sum += chain.bytes * chain_cost(chain);
    take(chain, taken);
  }
  taken.memory.assign(intervals, 0);
  double staying = 0;
  for (uint32_t i = 0; i < 2 * intervals; ++i) {
    staying += change_[i];
    taken.memory[i % intervals] += staying;
  }
  return sum;
}

}  // namespace spillway::policy
