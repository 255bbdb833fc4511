// SPDX-License-Identifier: Apache-2.0
// The state of an event that several processes may record and wait for: a page of shared memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "tests/sim/driver/shared_file.h"

namespace sim {

// Records are numbered; a wait is for the record that was the last one when it was asked for.
class SharedEvent {
 public:
  static std::shared_ptr<SharedEvent> make();  // null: the system has no memory file left
  static std::shared_ptr<SharedEvent> open(const FileName& name);  // null: it is gone, or none
  ~SharedEvent();
  SharedEvent(const SharedEvent&) = delete;
  SharedEvent& operator=(const SharedEvent&) = delete;

  bool exported() const { return own_; }  // made here, not opened
  FileName name() const { return name_of(file_); }
  uint64_t begin_record();  // its number
  void end_record(uint64_t number);
  uint64_t last() const;  // 0: never recorded
  bool done(uint64_t number) const;

 private:
  struct Page;
  SharedEvent(int file, Page* page, bool own) : file_(file), page_(page), own_(own) {}
  const int file_;
  Page* const page_;
  const bool own_;
};

}  // namespace sim
