// SPDX-License-Identifier: Apache-2.0
// Time as at most kMost equal intervals, whatever it turns out to be: an event that lies outside
// makes two intervals one, so that a trace of any length is read once and costs the same memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spillway::tools {

// Cell: what an interval holds, empty by default; cell.join(later) adds the one that follows it.
template <class Cell>
class Axis {
 public:
  static constexpr size_t kMost = 2048;

  Cell& at(uint64_t time) {
    reach(time);
    return cells_[place(time)];
  }

  // visit(cell, ns) for every interval that [from, to) touches and how much of it; what lies before
  // the axis is left out.
  template <class Visit>
  void spread(uint64_t from, uint64_t to, Visit visit) {
    if (from >= to) return;
    reach(to);
    from = std::max(from, start_);
    for (size_t i = place(from); from < to; ++i) {
      const uint64_t left = width_ - (from - start_) % width_;
      const uint64_t here = std::min(to - from, left);
      visit(cells_[i], here);
      from += here;
    }
  }

  bool empty() const { return cells_.empty(); }
  uint64_t start() const { return start_; }
  uint64_t width() const { return width_; }
  std::vector<Cell>& cells() { return cells_; }
  const std::vector<Cell>& cells() const { return cells_; }

  struct Row {
    uint64_t from = 0, to = 0;
    Cell cell;
  };
  // All of it in at most `most` rows; their borders are borders of intervals.
  std::vector<Row> rows(size_t most) const {
    std::vector<Row> rows(std::min(most, cells_.size()));
    for (size_t row = 0; row < rows.size(); ++row) {
      const size_t first = row * cells_.size() / rows.size();
      const size_t end = (row + 1) * cells_.size() / rows.size();
      rows[row] = {start_ + first * width_, start_ + end * width_, cells_[first]};
      for (size_t i = first + 1; i < end; ++i) rows[row].cell.join(cells_[i]);
    }
    return rows;
  }

 private:
  size_t place(uint64_t time) const { return static_cast<size_t>((time - start_) / width_); }

  void reach(uint64_t time) {
    if (cells_.empty()) {
      start_ = time;
      cells_.resize(1);
    }
    if (time < start_) {
      const auto missing = [&] { return (start_ - time - 1) / width_ + 1; };
      while (missing() > kMost - std::min(kMost, cells_.size())) fold();
      const uint64_t more = missing();
      cells_.insert(cells_.begin(), static_cast<size_t>(more), Cell{});
      start_ = more > start_ / width_ ? 0 : start_ - more * width_;
    }
    while ((time - start_) / width_ >= kMost) fold();
    if (place(time) >= cells_.size()) cells_.resize(place(time) + 1);
  }

  void fold() {
    for (size_t i = 0; i < cells_.size(); i += 2) {
      if (i) cells_[i / 2] = std::move(cells_[i]);
      if (i + 1 < cells_.size()) cells_[i / 2].join(cells_[i + 1]);
    }
    cells_.resize((cells_.size() + 1) / 2);
    width_ *= 2;
  }

  uint64_t start_ = 0, width_ = 1;  // ns
  std::vector<Cell> cells_;
};

}  // namespace spillway::tools
