// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/random/generator.h"

namespace random_program {

void Generator::allocate() {
  Buffer buffer;
  const size_t kind = random_.below(100);
  if (kind < 12) {
    buffer.bytes = random_.between(1, 400) * 1024 + random_.below(4) * 256;  // the driver's own
  } else if (kind < 30) {
    // Sizes at the edges: of the threshold, of a granule.
    constexpr size_t kEdges[] = {kServed - 1, kServed,           kServed + 1,
                                 2 * kServed, 2 * kServed + 512, 2 * kServed - 4};
    buffer.bytes = kEdges[random_.below(6)];
  } else {
    const size_t most = random_.percent(10) ? 12 * kMiB : random_.percent(40) ? 6 * kMiB : 3 * kMiB;
    buffer.bytes = random_.between(kServed / kWord, most / kWord) * kWord;
  }
  buffer.context = here_;
  const int index = static_cast<int>(plan_.buffers.size());
  const size_t source = random_.below(100);
  if (source < 12) {
    buffer.source = Source::Pitch;
    buffer.width = random_.between(300, 3000);
    buffer.height = buffer.bytes / buffer.width + 1;
    buffer.bytes = buffer.width * buffer.height;
  } else if (source < 45) {
    constexpr Source kOrdered[] = {Source::Async, Source::Async, Source::DefaultPool,
                                   Source::OwnPool};
    buffer.source = kOrdered[random_.below(4)];
  } else if (source < 50) {
    buffer.source = Source::Mapped;
  }
  plan_.buffers.push_back(buffer);
  live_.push_back(index);
  owner_[index] = thread_;
  order_->allocate(index);
  const int stream = pick_stream();
  if (in_stream_order(buffer.source)) {
    submit_memory(stream, Allocate{index}, {Space::Device, index, 0, buffer.bytes, true});
  } else {
    emit(stream, Allocate{index});
  }
  initialise(index);
}

// Fresh memory is garbage, and a different one each time: every byte is written once.
void Generator::initialise(int index) {
  const Buffer& buffer = plan_.buffers[index];
  const Access all{Space::Device, index, 0, buffer.bytes, true};
  if (buffer.source == Source::Pitch) {
    Set set{all, 1, static_cast<uint32_t>(random_.next()), buffer.width, buffer.height, 0, true};
    return submit(pick_stream(), set, {all});
  }
  const unsigned element = 1u << random_.below(3);
  const size_t even = buffer.bytes / element * element;
  Set set{all, element, static_cast<uint32_t>(random_.next()), even / element, 1, 0, true};
  set.target.bytes = even;
  submit(pick_stream(), set, {set.target});
  if (even < buffer.bytes) {
    Set tail{{Space::Device, index, even, buffer.bytes - even, true},
             1,
             7,
             buffer.bytes - even,
             1,
             0,
             true};
    submit(pick_stream(), tail, {tail.target});
  }
  if (buffer.bytes < 1024 || random_.percent(20)) return;
  const Launch fill = fill_of(index);
  submit(pick_stream(), fill, fill.arguments);
}

void Generator::release() {
  std::vector<int> own = own_buffers();
  std::erase_if(
      own, [&](int buffer) { return is_named(buffer) || plan_.buffers[buffer].context != here_; });
  if (own.size() < 2) return;
  const int buffer = random_.one_of(own);
  for (const auto& [graph, live] : std::map(graphs_)) {
    const std::vector<Access> touched = accesses(Work{live.made});
    const bool named = std::any_of(touched.begin(), touched.end(), [&](const Access& access) {
      return access.space == Space::Device && access.index == buffer;
    });
    if (named && (live.owner != thread_ || !may_drop(graph))) return;
    if (named) drop_graph(graph);
  }
  release(buffer);
}

void Generator::release(int buffer) {
  const Access all{Space::Device, buffer, 0, plan_.buffers[buffer].bytes, true};
  const int stream = pick_stream();
  switch (plan_.buffers[buffer].source) {
    case Source::Async:
    case Source::DefaultPool:
    case Source::OwnPool:
      if (random_.percent(75)) {
        submit_memory(stream, Release{buffer, true}, all);
        break;
      }
      // The driver need not wait for the users of pool memory before it takes it back.
      order_on_host({all});
      emit(stream, Release{buffer, false});
      break;
    case Source::Mapped:
      // Unmapping waits for nobody.
      order_on_host({all});
      emit(stream, Release{buffer, false});
      break;
    case Source::Graph:
      break;
    case Source::Plain:
    case Source::Pitch:
      // With work in flight: cuMemFree takes care of it, in its own context.
      if (plan_.contexts.size() > 1) order_on_host({all});
      emit(stream, Release{buffer, false});
      break;
  }
  forget(buffer);
}

void Generator::forget(int buffer) {
  order_->allocate(buffer);
  std::erase(live_, buffer);
  owner_.erase(buffer);
  hidden_.erase(buffer);
}

}  // namespace random_program
