// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

Generator::Generator(uint64_t seed, const Size& size) : random_(seed * 2 + 1), size_(size) {
  plan_.seed = seed;
  plan_.compute = size.compute;
  plan_.device_calls = size.device_calls;
  size_.footprint = size_.footprint * random_.between(35, 100) / 100;
}

void Generator::add_streams(int threads) {
  const int contexts = static_cast<int>(plan_.contexts.size());
  for (int context = 0; context < contexts; ++context) {
    plan_.streams.push_back({StreamKind::Legacy, 0, context});
  }
  for (int context = 0; context < contexts; ++context) {
    const size_t created = random_.between(1, context == 0 ? 3 : 2);
    for (size_t i = 0; i < created; ++i) {
      plan_.streams.push_back(
          {random_.percent(50) ? StreamKind::Blocking : StreamKind::NonBlocking, 0, context});
    }
    for (int thread = 0; thread < threads; ++thread) {
      if (random_.percent(50)) plan_.streams.push_back({StreamKind::PerThread, thread, context});
    }
  }
  for (int i = 0; i < threads * contexts * events_per_thread_; ++i) {
    plan_.events.push_back(i / events_per_thread_ % contexts);
  }
}

void Generator::add_things(int threads) {
  plan_.threads = threads;
  add_contexts();
  add_streams(threads);
  constexpr HostKind kKinds[] = {HostKind::Pinned, HostKind::PinnedOld, HostKind::Registered,
                                 HostKind::Pageable};
  const size_t hosts = random_.between(2, 4);
  for (size_t i = 0; i < hosts; ++i) {
    plan_.hosts.push_back({kKinds[random_.below(4)], random_.between(1, 12) * 256 * 1024});
  }
  order_.emplace(plan_.streams, threads);
  hides_ = random_.percent(25);
  if (random_.percent(20)) {
    plan_.arrays.push_back({random_.between(16, 300), random_.between(16, 300), 0});
  }
  waits_ = random_.percent(15);
}

// Shares everything out among the threads of the next phase, so that no thread depends on how far
// another has come: what is nobody's is read by all.
void Generator::begin_phase(int threads) {
  concurrent_capture_ = threads > 1 && random_.percent(50);
  if (concurrent_capture_) {
    // Now, since in the phase itself it would be an error.
    wait_for_all();
  }
  alone_ = threads == 1;
  const auto some_thread = [&] { return static_cast<int>(random_.below(threads)); };
  owner_.clear();
  for (int buffer : live_) {
    bool still = tables_.count(buffer) != 0 || hidden_.count(buffer) != 0 || is_named(buffer);
    for (const auto& [graph, live] : graphs_) {
      for (const Access& access : accesses(Work{live.made})) {
        still |= access.space == Space::Device && access.index == buffer;
      }
    }
    // What graphs and tables name stays with the first thread, which alone launches them.
    owner_[buffer] = alone_ || still ? 0 : random_.percent(25) ? -1 : some_thread();
  }
  for (int host = 0; host < static_cast<int>(plan_.hosts.size()); ++host) {
    host_owner_[host] = alone_ ? 0 : some_thread();
  }
  for (auto& [graph, live] : graphs_) {
    live.owner = 0;
    for (const Access& access : accesses(Work{live.made})) {
      if (access.space == Space::Host) host_owner_[access.index] = 0;
    }
  }
  stream_owner_.assign(plan_.streams.size(), 0);
  for (size_t i = 0; i < plan_.streams.size(); ++i) {
    switch (plan_.streams[i].kind) {
      case StreamKind::Legacy:
        stream_owner_[i] = 0;
        break;
      case StreamKind::PerThread:
        stream_owner_[i] = plan_.streams[i].thread;
        break;
      case StreamKind::Blocking:
      case StreamKind::NonBlocking:
        stream_owner_[i] = alone_ ? 0 : some_thread();
        break;
    }
  }
  order_->start_phase(stream_owner_);
  for (size_t i = 0; i < plan_.streams.size(); ++i) {
    if (!lives(plan_.streams[i].context)) stream_owner_[i] = -1;
  }
  plan_.phases.push_back({std::vector<std::vector<Operation>>(static_cast<size_t>(threads))});
}

void Generator::step() {
  enter_some_context();
  size_t footprint = 0;
  for (int buffer : live_) footprint += plan_.buffers[buffer].bytes;
  struct Choice {
    unsigned weight;
    void (Generator::*make)();
  };
  const Choice choices[] = {
      {footprint < size_.footprint ? 24u : 2u, &Generator::allocate},
      {footprint > size_.footprint * 3 / 4 ? 9u : 1u,
       static_cast<void (Generator::*)()>(&Generator::release)},
      {34, &Generator::launch},
      {2, &Generator::launch_barrier},
      {plan_.compute >= 90 ? 3u : 0u, &Generator::launch_dependents},
      {12, &Generator::copy},
      {7, &Generator::set},
      {5, &Generator::host_work},
      {2, &Generator::write_value},
      {5, &Generator::ask},
      {4, &Generator::wait},
      {hides_ ? 7u : 0u, &Generator::hidden_addresses},
      {hides_ ? 3u : 0u, &Generator::texture},
      {plan_.arrays.empty() ? 0u : 4u, &Generator::arrays},
      {7, &Generator::make_graph},
      {plan_.devices > 1 ? 2u : 0u, &Generator::peer_access},
      {passed_ ? 0u : 8u, &Generator::make_context},
      {passing_ ? 3u : 0u, &Generator::drop_context},
  };
  unsigned total = 0;
  for (const Choice& choice : choices) total += choice.weight;
  size_t at = random_.below(total);
  for (const Choice& choice : choices) {
    if (at < choice.weight) return (this->*choice.make)();
    at -= choice.weight;
  }
}

// One after the other.
void Generator::check(const std::vector<int>& buffers) {
  for (int buffer : buffers)
    account({{Space::Device, buffer, 0, plan_.buffers[buffer].bytes, false}});
  emit(0, Checkpoint{buffers});
}

void Generator::choose_turns(int threads, int operations) {
  for (thread_ = 0; thread_ < threads; ++thread_) {
    bool usable = false;
    for (int owner : stream_owner_) usable |= owner == thread_;
    if (!usable) continue;  // it has no stream in this phase
    const auto& done = plan_.phases.back().threads[static_cast<size_t>(thread_)];
    const size_t enough = static_cast<size_t>(operations / threads);
    for (int tries = 0; tries < operations * 4 && done.size() < enough; ++tries) step();
  }
  thread_ = 0;
}

void Generator::finish() {
  begin_phase(1);
  std::vector<int> content;
  for (int buffer : live_) {
    if (tables_.count(buffer) == 0) content.push_back(buffer);
  }
  wait_for_all();
  for (int host = 0; host < static_cast<int>(plan_.hosts.size()); ++host) {
    emit(0, HostCheck{{Space::Host, host, 0, plan_.hosts[host].bytes, false}});
  }
  check(content);
  // The rest is still there when the process ends, as it is in most programs.
  for (size_t i = 0; i < content.size() / 2; ++i) {
    here_ = plan_.buffers[content[i]].context;
    release(content[i]);
  }
}

Plan Generator::run() {
  const int threads = random_.percent(35) ? static_cast<int>(random_.between(2, 3)) : 1;
  add_things(threads);
  begin_phase(1);
  for (int host = 0; host < static_cast<int>(plan_.hosts.size()); ++host) {
    emit(0, HostFill{{Space::Host, host, 0, plan_.hosts[host].bytes, true}, random_.next()});
  }
  for (int tries = 0; tries < 2; ++tries) {
    if (random_.percent(70)) peer_access();
  }
  for (int array = 0; array < static_cast<int>(plan_.arrays.size()); ++array) fill_array(array);
  const size_t phases = threads == 1 ? 2 : random_.between(3, 4);
  for (size_t phase = 0; phase < phases; ++phase) {
    const int running = phase % 2 == 1 ? threads : 1;
    if (phase > 0) begin_phase(running);
    choose_turns(running, size_.operations / static_cast<int>(phases));
    if (running == 1 && random_.percent(40) && !live_.empty()) {
      std::vector<int> some;
      for (int buffer : live_) {
        if (tables_.count(buffer) == 0 && random_.percent(40)) some.push_back(buffer);
      }
      wait_for_all();
      check(some);
    }
  }
  finish();
  return std::move(plan_);
}

// --- emitting ---

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

// What the library has of it on a device.
size_t Generator::rounded(int buffer) const {
  const Buffer& one = plan_.buffers[buffer];
  // The driver's row distance is not known here: 512 is the most it rounds to.
  const size_t bytes =
      one.source == Source::Pitch ? (one.width + 511) / 512 * 512 * one.height : one.bytes;
  return bytes < kServed || is_the_drivers(one.source) ? 0
                                                       : (bytes + kServed - 1) / kServed * kServed;
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
        if (one != nullptr && !elsewhere(one->buffer))
          small += (one->bytes + kServed - 1) / kServed * kServed;
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
        small +=
            (one.bytes + kServed - 1) / kServed * kServed * (one.source == Source::OwnPool ? 2 : 1);
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

// --- picking ---

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

Plan generate(uint64_t seed, const Size& size) {
  return Generator(seed, size).run();
}

}  // namespace random_program
