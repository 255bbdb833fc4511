// SPDX-License-Identifier: Apache-2.0
#include "tests/random/order.h"

#include <algorithm>

namespace random_program {
namespace {

void merge(Clock* into, const Clock& other) {
  for (size_t i = 0; i < into->size(); ++i) (*into)[i] = std::max((*into)[i], other[i]);
}

// Parts of a buffer are told apart in these steps, so that two streams may write into one range at
// once.
constexpr size_t kRegionBytes = size_t{1} << 20;

}  // namespace

Order::Order(const std::vector<Stream>& streams, int threads)
    : streams_(streams),
      owner_(streams.size(), 0),
      position_(streams.size(), 0),
      position_at_start_(streams.size(), 0),
      known_(streams.size(), Clock(streams.size(), 0)),
      known_at_start_(known_),
      host_(static_cast<size_t>(threads), Clock(streams.size(), 0)) {}

bool Order::legacy(int stream) const {
  return streams_[stream].kind == StreamKind::Legacy;
}

bool Order::blocking(int stream) const {
  return !legacy(stream) && streams_[stream].kind != StreamKind::NonBlocking;
}

bool Order::implicitly_ordered(int stream, int other) const {
  return streams_[stream].context == streams_[other].context &&
         ((legacy(stream) && blocking(other)) || (blocking(stream) && legacy(other)));
}

void Order::start_phase(std::vector<int> owner) {
  Clock all(streams_.size(), 0);
  for (const Clock& host : host_) merge(&all, host);
  std::fill(host_.begin(), host_.end(), all);
  owner_ = std::move(owner);
  position_at_start_ = position_;
  known_at_start_ = known_;
}

template <class Visit>
void Order::for_regions(const Access& access, Visit&& visit) const {
  if (access.bytes == 0) return;
  const size_t last = (access.offset + access.bytes - 1) / kRegionBytes;
  for (size_t region = access.offset / kRegionBytes; region <= last; ++region) {
    visit(Name{access.space, {access.index, static_cast<int>(region)}});
  }
}

// All that `thread` can be sure has been submitted to `stream`.
Clock Order::view(int thread, int stream) const {
  const bool own = owner_[stream] == thread;
  Clock clock = own ? known_[stream] : known_at_start_[stream];
  clock[stream] = own ? position_[stream] : position_at_start_[stream];
  return clock;
}

Clock Order::next_clock(int thread, int stream) const {
  Clock clock = known_[stream];
  merge(&clock, host_[thread]);
  clock[stream] = position_[stream];
  for (int other = 0; other < static_cast<int>(streams_.size()); ++other) {
    if (implicitly_ordered(stream, other)) merge(&clock, view(thread, other));
  }
  return clock;
}

std::vector<int> Order::unordered(const Clock& clock, int stream,
                                  const std::vector<Access>& accesses) const {
  std::vector<int> missing;
  const auto need = [&](const std::vector<Stamp>& stamps) {
    for (const Stamp& stamp : stamps) {
      if (stamp.stream == stream || clock[stamp.stream] >= stamp.position) continue;
      if (std::find(missing.begin(), missing.end(), stamp.stream) == missing.end()) {
        missing.push_back(stamp.stream);
      }
    }
  };
  for (const Access& access : accesses) {
    for_regions(access, [&](const Name& name) {
      const auto found = regions_.find(name);
      if (found == regions_.end()) return;
      need(found->second.writes);
      if (access.write) need(found->second.reads);
    });
  }
  return missing;
}

std::vector<int> Order::missing(int thread, int stream, const std::vector<Access>& accesses) const {
  return unordered(next_clock(thread, stream), stream, accesses);
}

std::vector<int> Order::missing_on_host(int thread, const std::vector<Access>& accesses) const {
  return unordered(host_[thread], -1, accesses);
}

void Order::submit(int thread, int stream, const std::vector<Access>& accesses) {
  enqueue(stream, next_clock(thread, stream), accesses);
}

void Order::submit_memory(int thread, int stream, const std::vector<Access>& accesses) {
  Clock clock = known_[stream];
  merge(&clock, host_[thread]);
  enqueue(stream, clock, accesses);
}

void Order::enqueue(int stream, const Clock& clock, const std::vector<Access>& accesses) {
  known_[stream] = clock;
  const Stamp stamp{stream, ++position_[stream]};
  known_[stream][stream] = stamp.position;
  const auto put = [&](std::vector<Stamp>* stamps) {
    std::erase_if(*stamps, [&](const Stamp& old) { return old.stream == stream; });
    stamps->push_back(stamp);
  };
  for (const Access& access : accesses) {
    for_regions(access, [&](const Name& name) {
      Region& region = regions_[name];
      if (access.write) {
        // Everything before it is ordered before it, so it alone stands for them.
        region = Region{};
        put(&region.writes);
      } else {
        put(&region.reads);
      }
    });
  }
}

void Order::host_does(const std::vector<Access>& accesses) {
  for (const Access& access : accesses) {
    if (!access.write) continue;
    for_regions(access, [&](const Name& name) { regions_.erase(name); });
  }
}

void Order::allocate(int buffer) {
  std::erase_if(regions_, [&](const auto& entry) {
    return entry.first.first == Space::Device && entry.first.second.first == buffer;
  });
}

void Order::record(int thread, int event, int stream) {
  submit(thread, stream, {});
  events_[event] = view(thread, stream);
}

bool Order::event_covers(int event, int stream) const {
  const auto found = events_.find(event);
  return found != events_.end() && found->second[stream] >= position_[stream];
}

void Order::wait_event(int thread, int event, int stream) {
  merge(&known_[stream], events_.at(event));
  submit(thread, stream, {});
}

void Order::host_waits_stream(int thread, int stream) {
  merge(&host_[thread], view(thread, stream));
}

void Order::host_waits_event(int thread, int event) {
  merge(&host_[thread], events_.at(event));
}

void Order::host_waits_context(int thread, int context) {
  for (int stream = 0; stream < static_cast<int>(streams_.size()); ++stream) {
    if (streams_[stream].context == context) host_waits_stream(thread, stream);
  }
}

}  // namespace random_program
