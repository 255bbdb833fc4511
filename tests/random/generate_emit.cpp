// SPDX-License-Identifier: Apache-2.0
// How operations come into the plan: behind what they must follow, and accounted; and what they are
// made of is picked.
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

bool Generator::has_symbols(int stream) const {
  return plan_.streams[stream].kind == StreamKind::PerThread;
}

bool Generator::implicit(int stream) const {
  return plan_.streams[stream].kind == StreamKind::Legacy || has_symbols(stream);
}

void Generator::emit(int stream, Work work) {
  const bool symbols = has_symbols(stream) && random_.percent(50);
  auto& operations = plan_.phases.back().threads[static_cast<size_t>(thread_)];
  operations.push_back({stream, symbols, std::move(work)});
}

namespace {

size_t in_granules(size_t bytes) {
  return (bytes + kServed - 1) / kServed * kServed;
}

}  // namespace

// What the library has of it on a device.
size_t Generator::rounded(int buffer) const {
  const Buffer& one = plan_.buffers[buffer];
  // The driver's row distance is not known here: 512 is the most it rounds to.
  const size_t bytes =
      one.source == Source::Pitch ? (one.width + 511) / 512 * 512 * one.height : one.bytes;
  return bytes < kServed || is_the_drivers(one.source) ? 0 : in_granules(bytes);
}

// All that is held now, on whatever device.
void Generator::fix_on_device() {
  account({});
  size_t bytes = 0;
  for (int buffer : held()) bytes += rounded(buffer);
  plan_.fixed = std::max(plan_.fixed, bytes);
}

void Generator::account(const std::vector<Access>& touched) {
  const std::set<int> still = held();
  std::set<int> needed = still;
  for (const Access& access : touched) {
    if (access.space == Space::Device) needed.insert(access.index);
  }
  for (int device = 0; device < plan_.devices; ++device) {
    const auto elsewhere = [&](int buffer) {
      return plan_.contexts[plan_.buffers[buffer].context].device != device;
    };
    size_t wide = 0, footprint = 0, small = 0, unmoved = 0;
    for (int buffer : still) {
      if (!elsewhere(buffer)) unmoved += rounded(buffer);
    }
    plan_.still = std::max(plan_.still, unmoved);
    for (const auto& [graph, live] : graphs_) {
      for (const Node& node : live.made.nodes) {
        const GraphAllocate* one = std::get_if<GraphAllocate>(&node.work);
        if (one != nullptr && !elsewhere(one->buffer)) small += in_granules(one->bytes);
      }
    }
    for (int buffer : needed) {
      if (!elsewhere(buffer)) wide += rounded(buffer);
    }
    for (int buffer : live_) {
      if (elsewhere(buffer)) continue;
      footprint += rounded(buffer);
      const Buffer& one = plan_.buffers[buffer];
      // The driver counts these in granules, and a pool keeps what was freed until somebody waits.
      if (is_the_drivers(one.source))
        small += in_granules(one.bytes) * (one.source == Source::OwnPool ? 2 : 1);
      else if (rounded(buffer) == 0)
        small += one.bytes;
    }
    plan_.widest = std::max(plan_.widest, wide);
    plan_.footprint = std::max(plan_.footprint, footprint);
    plan_.small = std::max(plan_.small, small);
  }
}

void Generator::wait_for_context(int context) {
  emit(context, HostWait{Wait::Context, 0});
  order_->host_waits_context(thread_, context);
}

void Generator::wait_for_all() {
  for (int context = 0; context < static_cast<int>(plan_.contexts.size()); ++context) {
    if (lives(context)) wait_for_context(context);
  }
}

int Generator::event_covering(int stream) {
  const int contexts = static_cast<int>(plan_.contexts.size());
  const int first = (thread_ * contexts + plan_.streams[stream].context) * events_per_thread_;
  for (int event = first; event < first + events_per_thread_; ++event) {
    if (order_->event_covers(event, stream) && random_.percent(70)) return event;
  }
  const int event = first + static_cast<int>(random_.below(events_per_thread_));
  emit(stream, Record{event});
  order_->record(thread_, event, stream);
  return event;
}

void Generator::order_before(int stream, const std::vector<Access>& touched) {
  for (;;) {
    const std::vector<int> missing = order_->missing(thread_, stream, touched);
    if (missing.empty()) return;
    const int other = missing[random_.below(missing.size())];
    if (stream_owner_[other] == thread_ && random_.percent(80)) {
      const int event = event_covering(other);
      emit(stream, WaitEvent{event});
      order_->wait_event(thread_, event, stream);
    } else {
      order_on_host(touched);
    }
  }
}

void Generator::order_on_host(const std::vector<Access>& touched) {
  for (;;) {
    const std::vector<int> missing = order_->missing_on_host(thread_, touched);
    if (missing.empty()) return;
    const int other = missing[random_.below(missing.size())];
    // Another thread's per-thread stream has no name here; and recording into a stream that its
    // owner is using says nothing about when.
    const bool own = stream_owner_[other] == thread_;
    const bool named = own || !has_symbols(other);
    const size_t way = random_.below(10);
    if (!named || (way == 0 && !concurrent_capture_)) {
      wait_for_context(plan_.streams[other].context);
    } else if (!own || way < 6) {
      emit(other, HostWait{random_.percent(25) ? Wait::StreamPoll : Wait::Stream, 0});
      order_->host_waits_stream(thread_, other);
    } else {
      const int event = event_covering(other);
      emit(other, HostWait{random_.percent(25) ? Wait::EventPoll : Wait::Event, event});
      order_->host_waits_event(thread_, event);
    }
  }
}

void Generator::submit(int stream, Work work, const std::vector<Access>& touched) {
  order_before(stream, touched);
  account(touched);
  emit(stream, std::move(work));
  order_->submit(thread_, stream, touched);
}

void Generator::submit_memory(int stream, Work work, const Access& whole) {
  order_before(stream, {whole});
  account({whole});
  emit(stream, std::move(work));
  order_->submit_memory(thread_, stream, {whole});
}

int Generator::pick_stream() {
  std::vector<int> own;
  for (size_t i = 0; i < stream_owner_.size(); ++i) {
    if (stream_owner_[i] == thread_ && plan_.streams[i].context == here_)
      own.push_back(static_cast<int>(i));
  }
  return random_.one_of(own);
}

std::vector<int> Generator::own_buffers() const {
  std::vector<int> own;
  for (int buffer : live_) {
    if (owner_.at(buffer) == thread_ && tables_.count(buffer) == 0 && at_hand(buffer))
      own.push_back(buffer);
  }
  return own;
}

std::vector<int> Generator::readable_buffers() const {
  std::vector<int> readable;
  for (int buffer : live_) {
    const int owner = owner_.at(buffer);
    if ((owner == thread_ || owner == -1) && tables_.count(buffer) == 0 && at_hand(buffer))
      readable.push_back(buffer);
  }
  return readable;
}

void Generator::keep_linear(std::vector<int>* buffers, size_t least) const {
  std::erase_if(*buffers, [&](int one) {
    return plan_.buffers[one].source == Source::Pitch || plan_.buffers[one].bytes < least;
  });
}

std::optional<int> Generator::pick_own_buffer(bool pitched) {
  std::vector<int> own = own_buffers();
  std::erase_if(
      own, [&](int buffer) { return (plan_.buffers[buffer].source == Source::Pitch) != pitched; });
  if (own.empty()) return std::nullopt;
  return random_.one_of(own);
}

std::optional<int> Generator::pick_host() {
  std::vector<int> own;
  for (const auto& [host, owner] : host_owner_) {
    if (owner == thread_) own.push_back(host);
  }
  if (own.empty()) return std::nullopt;
  return random_.one_of(own);
}

// A run of whole units somewhere in it, often all of it.
Access Generator::part_of(int buffer, size_t unit, bool write) {
  const size_t units = plan_.buffers[buffer].bytes / unit;
  const size_t count = random_.percent(30) ? units : random_.between(units / 8 + 1, units);
  const size_t first = random_.below(units - count + 1);
  return {Space::Device, buffer, first * unit, count * unit, write};
}

}  // namespace random_program
