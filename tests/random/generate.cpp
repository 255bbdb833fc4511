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
      {hides_ ? 6u : 0u, &Generator::texture},
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

Plan generate(uint64_t seed, const Size& size) {
  return Generator(seed, size).run();
}

}  // namespace random_program
